"""A run that a client has prepared in the name of a user: what its question has beside a request."""

from dataclasses import dataclass

from graph.approvals.record import ApprovalRequest, QuestionKind
from identity.access_token.revocation_list import RevocationList


class PreparedKind(QuestionKind):
    """The kind of a question whether to begin a run."""

    PREPARED_RUN = "prepared_run"


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """The record of a question of the kind `prepared_run`, whose id is random, and that of its thread too."""

    client: str
    """The subject of the client that has prepared it."""


def client_of(request: ApprovalRequest) -> str | None:
    """The subject of the client that has prepared what `request` asks; `None`: a run asks it."""
    prepared = request.extensions.get(PreparedRun)
    return None if prepared is None else prepared.client


def is_void(request: ApprovalRequest, revocations: RevocationList) -> bool:
    """Whether it is a prepared run, and the access of its user or client was changed since."""
    client = client_of(request)
    if client is None:
        return False
    people = (request.principal.subject, client)
    return any(revocations.changed(subject, request.created_at, "") for subject in people)
