"""The error tree. One class for each decision that a caller makes.

    AgentError
    ├── ConfigurationError            do not start
    ├── AccessTokenError              401: the caller must sign in again
    │   └── InsufficientScopeError    403: signing in again is not enough
    ├── CredentialError               the step that needs the credential fails; the caller cannot mend it
    ├── UnreachableError              temporary: try again later
    ├── LimitError                    the caller, or all callers together, ask for too much: wait
    ├── AuditError                    what is not on record must not go on
    └── ServiceError                  a downstream service (model, tool) failed

Texts are lower case, put the thing in quotes, and say what was expected and what was found. They never
contain a token, a secret or the body of an upstream answer, so they may be logged and shown.
"""

from collections.abc import Sequence

from identity.error_table import ERROR_TABLE, ErrorCode, ErrorRow


class AgentError(Exception):
    """Base of all errors of this project.

    `code` is stable; `detail` says what happened this time; `row` has symptom, cause and remedy.
    """

    def __init__(self, code: ErrorCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail

    @property
    def row(self) -> ErrorRow:
        """Symptom, likely cause and remedy, from the error table."""
        return ERROR_TABLE[self.code]


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
    """A downstream service failed. `status` is its HTTP status, where there was an answer, and `retry_after`
    the wait that it asked for, in seconds, where it did."""

    def __init__(
        self, code: ErrorCode, detail: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(code, detail)
        self.status = status
        self.retry_after = retry_after
