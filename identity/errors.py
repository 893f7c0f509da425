"""The error tree. One class for each decision that a caller makes.

    AgentError
    ├── ConfigurationError            do not start
    ├── AccessTokenError              401: the caller must sign in again
    │   └── InsufficientScopeError    403: signing in again is not enough
    ├── CredentialError               the step that needs the credential fails; asking again does not help
    │   └── RequirementRefusedError   one requirement is refused: other credentials stay in use
    │       └── PrerequisiteRefusedError   a fresh prerequisite may help: renew it once
    ├── UnreachableError              temporary: try again later
    ├── LimitError                    the caller, or all callers together, ask for too much: wait
    ├── AuditError                    what is not on record must not go on
    └── ServiceError                  a downstream service (model, tool) failed

An error has words for two readers. `for_person`, and so `str(error)`, is what callers, the page and the model
may read. `detail` and the `row` are for operators: lower case, the thing in quotes, expected then found. They
may name clients, scopes, credentials and settings, but never contain a token, a secret or the body of an
upstream answer, so they may be logged. A traceback shows them as a note.
"""

from collections.abc import Sequence
from typing import Self

from identity.error_table import ERROR_TABLE, ErrorCode, ErrorRow


class AgentError(Exception):
    """Base of all errors of this project.

    `code` is stable. `detail` says to operators what happened this time; `public_detail` says it without
    `about`, which names what it happened to: a client, a scope, a credential. `service` is the name of the
    service that the error is about, or `None`, and `settings` are the settings that it declared, which only
    operators read. `row` has the words of the error table.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        about: str = "",
        service: str | None = None,
        settings: Sequence[str] = (),
    ) -> None:
        self.code = code
        self.settings = tuple(settings)
        self.public_detail = detail
        self.detail = f"{about}: {detail}" if about else detail
        self.service = service or ERROR_TABLE[code].service
        super().__init__(f"{code}: {self.for_person()}")
        self.add_note(_note(self))

    @property
    def row(self) -> ErrorRow:
        """The words of the error table; the remedy names `settings`."""
        return ERROR_TABLE[self.code].naming(self.settings)

    def for_person(self, reference: str | None = None) -> str:
        """What a person reads. `reference` is the id of their request."""
        return self.row.for_person(self.service, reference)

    def of(self, service: str, settings: Sequence[str] = ()) -> Self:
        """The same error, of `service`, which declares `settings`.

        The original is unchanged: several requests may share it.
        """
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied.__notes__ = []
        copied.service = service
        copied.settings = tuple(settings) or self.settings
        copied.args = (f"{copied.code}: {copied.for_person()}",)
        copied.add_note(_note(copied))
        return copied


def _note(error: AgentError) -> str:
    row = error.row
    return f"{error.detail} (cause: {row.cause}; remedy: {row.remedy})"


class ConfigurationError(AgentError):
    """The configuration cannot be used. `faults` names every fault, one sentence each."""

    def __init__(self, code: ErrorCode, faults: Sequence[str]) -> None:
        super().__init__(code, "; ".join(faults))
        self.faults = tuple(faults)


class AccessTokenError(AgentError):
    """The caller's access token is missing or was refused (RFC 6750 `invalid_token`)."""


class InsufficientScopeError(AccessTokenError):
    """The caller's access token is valid, but lacks the required scope (RFC 6750 `insufficient_scope`)."""


class CredentialError(AgentError):
    """IDaaS answered, and refused the credential."""


class RequirementRefusedError(CredentialError):
    """This one requirement is refused: the caller's other credentials stay in use."""


class PrerequisiteRefusedError(RequirementRefusedError):
    """The credential that was presented to obtain this one is refused. A fresh prerequisite may help."""


class UnreachableError(AgentError):
    """IDaaS did not answer, or not with anything usable. Trying again later may help.

    `retry_after` is the wait that it asked for, in seconds, where it did.
    """

    def __init__(self, code: ErrorCode, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class LimitError(AgentError):
    """A limit of the agent's own is reached. `retry_after` is the wait, in seconds, if that is known."""

    def __init__(self, code: ErrorCode, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class AuditError(AgentError):
    """The audit log cannot be written, and records are required: nothing goes on without one."""


class ServiceError(AgentError):
    """A downstream service failed. `status` is its HTTP status, where there was a response, and `retry_after`
    the wait that it asked for, in seconds, where it did.

    `body` is the response's text, for the tool that sent the request: bounded, without the credential, and
    part of no message, log line or trace.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        body: str = "",
        settings: Sequence[str] = (),
    ) -> None:
        super().__init__(code, detail, settings=settings)
        self.status = status
        self.body = body
        self.retry_after = retry_after
