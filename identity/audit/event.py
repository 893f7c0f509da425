"""What is put on record about the use of identities and credentials. No value here is a secret.

`docs/audit-log.md` describes each member for those who read the log.
"""

from dataclasses import dataclass
from enum import StrEnum

from identity.access_identity import AccessIdentity
from identity.error_code import ErrorCode
from identity.principal import Principal


class AuditedAction(StrEnum):
    """What was done."""

    AUTHENTICATION = "authentication"
    """A caller's access token was verified, or refused."""

    TOKEN_EXCHANGE = "token_exchange"  # noqa: S105 - a name, no secret
    """IDaaS was asked for an access token of the user (RFC 8693)."""

    MACHINE_TOKEN = "machine_token"  # noqa: S105 - a name, no secret
    """IDaaS was asked for an access token of the agent itself (RFC 6749, section 4.4)."""

    API_KEY_ISSUE = "api_key_issue"
    """IDaaS was asked for an API key (Developer API, `ObtainCredential`)."""

    ACCESS_REVOKED = "access_revoked"
    """Access tokens are refused from now on: those of one user, one, or all that were issued until a time."""

    ACCESS_RESTORED = "access_restored"
    """Revoked access tokens are accepted again."""

    TOOL_CALL = "tool_call"
    """A service was called with the credential that it declared. On record twice: begun, and ended."""


class AuditOutcome(StrEnum):
    """How it went."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    """Somebody decided against it: the verifier, IDaaS."""
    FAILED = "failed"
    """Nobody decided: no answer, no usable answer, a fault."""
    CANCELLED = "cancelled"
    """The client left, or the agent shut down, before it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One line of the record. `None`: not known, or of no meaning for the action.

    `time` is in unix seconds, `duration` in seconds. `token_hash` is a keyed hash of the caller's access
    token (see `AuditTrail`): equal for equal tokens while the process lives, and of no use to anybody else.
    """

    time: float
    action: AuditedAction
    outcome: AuditOutcome
    request_id: str | None = None
    principal: Principal | None = None
    token_hash: str | None = None
    client: str | None = None
    access_identity: AccessIdentity | None = None
    audience: str | None = None
    scope: str | None = None
    credential: str | None = None
    service: str | None = None
    tool: str | None = None
    call_id: str | None = None
    error: ErrorCode | None = None
    duration: float | None = None
