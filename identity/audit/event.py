"""The events of the audit log. No value in them is a secret.

`docs/audit-log.md` describes each member for people who read the log.
"""

from dataclasses import dataclass
from enum import StrEnum

from identity.errors import ErrorCode
from identity.principal import AccessIdentity, Principal


class AuditedAction(StrEnum):
    """The action that was recorded."""

    AUTHENTICATION = "authentication"
    """A caller's access token was verified, or refused."""

    TOKEN_EXCHANGE = "token_exchange"  # noqa: S105 - a name, no secret
    """An access token of the user was requested from IDaaS (RFC 8693)."""

    MACHINE_TOKEN = "machine_token"  # noqa: S105 - a name, no secret
    """An access token of the agent itself was requested from IDaaS (RFC 6749, section 4.4)."""

    API_KEY_ISSUE = "api_key_issue"
    """An API key was requested from IDaaS (Developer API, `ObtainCredential`)."""

    JWT_ISSUE = "jwt_issue"
    """A JWT of one of IDaaS's providers was requested (Developer API, `GenerateJwtAuthenticationToken`)."""

    CLOUD_ROLE_ISSUE = "cloud_role_issue"
    """Credentials of a cloud role were requested (Developer API, `ObtainCloudAccountRoleAccess…`)."""

    OAUTH_TOKEN_ISSUE = "oauth_token_issue"  # noqa: S105 - a name, no secret
    """A token of a foreign authorization server was requested (`FetchOAuthAuthenticationToken`)."""

    CREDENTIAL_ISSUE = "credential_issue"
    """A credential was requested from an issuer that the operator added, such as a vault."""

    CREDENTIAL_LENT = "credential_lent"
    """The code of a service's tool took its credential as a value."""

    ACCESS_REVOKED = "access_revoked"
    """Access tokens are refused from now on: one, all of one user, or all that were issued until a time."""

    ACCESS_RESTORED = "access_restored"
    """Revoked access tokens are accepted again."""

    CALLS_STOPPED = "calls_stopped"
    """Calls of tools are refused from now on: of a service, of a tool, of a user, or all."""

    CALLS_STARTED = "calls_started"
    """Calls that were stopped may be made again."""

    MODEL_CALL = "model_call"
    """A response of the model was requested. Recorded at its end."""
    APPROVAL_REQUESTED = "approval_requested"
    """A user was asked whether a call may be made."""

    APPROVAL_DECIDED = "approval_decided"
    """They approved (`succeeded`) or rejected (`refused`) it, or the decision did not count (`failed`)."""

    GRANT_GIVEN = "grant_given"
    """They approved further calls of the tool, within bounds, until an end."""

    GRANT_WITHDRAWN = "grant_withdrawn"
    """They, or an operator, ended this."""

    PERSON_EXPORTED = "person_exported"
    """An operator took out all that is kept about a person. Recorded twice: at its start and its end."""

    PERSON_ERASED = "person_erased"
    """An operator erased it. Likewise."""

    TOOL_CALL = "tool_call"
    """A service was called with the credential that it declares. Recorded twice: at its start and its end."""


class AuditOutcome(StrEnum):
    """Its result."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    """It was decided that it is not allowed: by the verifier or by IDaaS."""
    FAILED = "failed"
    """It failed without such a decision: no response, no usable response, an exception."""
    CANCELLED = "cancelled"
    """The client disconnected, or the agent shut down, before it ended."""

    @classmethod
    def of_decision(cls, *, approved: bool) -> "AuditOutcome":
        """The outcome of a person's decision."""
        return cls.SUCCEEDED if approved else cls.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    """By what a call was decided: the SHA-256 of the policy's file, and the names of its rules.

    `observed` is the decision that rules which are only observed would have made, if it is another one.
    `approval` is the id of the approval or grant that permits or refuses the call.
    """

    policy: str | None = None
    rules: tuple[str, ...] = ()
    observed: str | None = None
    approval: str | None = None

    @property
    def recorded(self) -> "Ruled":
        """The part of a decision that is recorded, without the words of people that it may contain."""
        return Ruled(policy=self.policy, rules=self.rules, observed=self.observed, approval=self.approval)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One line of the audit log. `None` means not known, or not applicable to the action.

    `time` is in unix seconds, `duration` in seconds. `token_hash` is a keyed hash of the caller's access
    token (see `AuditTrail`): equal for equal tokens under one key. `arguments_digest` is SHA-256 of a tool
    call's arguments, `read` what its conversation had read that has labels. `model` is the requested one,
    which reported the token counts. `files` are those that a tool returned, or the images that the model
    received: `sha256:` and the digest, then the size. `reason` is who stopped or started calls, and why.
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
    effect: str | None = None
    call_id: str | None = None
    approval: str | None = None
    arguments_digest: str | None = None
    ruled: Ruled | None = None
    read: tuple[str, ...] | None = None
    model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    files: tuple[str, ...] | None = None
    reason: str | None = None
    error: ErrorCode | None = None
    duration: float | None = None
