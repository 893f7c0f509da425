"""How the request of an approval is stored: the members that have no column of their own, as JSON."""

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any, Final

from graph.approvals.covering_grant import CoveringGrant, covering_grant_in
from graph.approvals.inbox import KeptArguments
from graph.approvals.record import ApprovalKind, ApprovalRequest
from graph.extensions import Extensions
from graph.server_question import ServerQuestion, question_in
from identity.audit.event import Ruled
from identity.credentials.requirement import CREDENTIAL_MEMBERS, declared_credential
from identity.principal import AccessIdentity
from tools.approval_policy import Effect

_IN_COLUMNS: Final = ("id", "thread_id", "principal")
_IN_PARTS: Final = ("declared", "ruled", "extensions")
_STORED_AS_THEY_ARE: Final = tuple(
    member.name for member in fields(ApprovalRequest) if member.name not in (*_IN_COLUMNS, *_IN_PARTS)
)
_RECORDS: Final[dict[str, Callable[[Any], object]]] = {
    "arguments": KeptArguments,
    "question": ServerQuestion,
    "grant": lambda members: CoveringGrant(**members),
}
"""The records beside a request, by the members in which they are stored."""
_READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "kind": ApprovalKind,
    "effect": Effect,
    "read": tuple,
    "access_identity": lambda value: value and AccessIdentity(value),
}


def members_of(request: ApprovalRequest) -> dict[str, Any]:
    """The members of the request of a run that have no column of their own, as JSON. Whose call it is is kept
    for approvers, who read it.
    """
    members = {name: getattr(request, name) for name in _STORED_AS_THEY_ARE}
    members |= {name: request.declared.get(name) for name in CREDENTIAL_MEMBERS}
    members |= {"rules": request.ruled.rules, "policy": request.ruled.policy}
    arguments = request.extensions.get(KeptArguments)
    members["arguments"] = None if arguments is None else arguments.arguments
    members["question"] = question_in(request.extensions)
    grant = covering_grant_in(request.extensions)
    if grant is not None:
        members["grant"] = asdict(grant)
    if request.approvers is not None:
        members["asker"] = [request.principal.issuer, request.principal.subject]
    return members


def request_of(members: dict[str, Any], **in_columns: Any) -> ApprovalRequest:  # noqa: ANN401 - of any type
    """The inverse of `members_of`, also of members that an earlier version has stored."""
    plain = {**members, **in_columns}
    plain.pop("prepared_by", None)  # of earlier versions, which stored it with each request
    plain |= {name: reader(members[name]) for name, reader in _READERS.items() if name in members}
    ruled = Ruled(rules=tuple(plain.pop("rules", ())), policy=plain.pop("policy", None))
    declared = declared_credential({name: plain.pop(name, None) for name in CREDENTIAL_MEMBERS})
    stored = {name: plain.pop(name, None) for name in _RECORDS}
    records = [_RECORDS[name](value) for name, value in stored.items() if value is not None]
    return ApprovalRequest(**plain, ruled=ruled, declared=declared, extensions=Extensions(*records))
