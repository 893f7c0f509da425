"""Records a step where it is executed: the caller, the action, the credential and the result."""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditEvent, AuditOutcome
from identity.audit.sink import AuditSink, NullAuditSink
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    CredentialRequirement,
    IssuedJwtRequirement,
    OAuthTokenRequirement,
)
from identity.error_code import ErrorCode
from identity.errors import AccessTokenError, AgentError, CredentialError
from identity.principal import Principal
from identity.request_id import REQUEST_ID
from identity.revocation.revocation import Revocation, Target
from identity.secret import Secret

T = TypeVar("T")


class AuditedStep:
    """One step. Each method records one event, and raises `AuditError` if the sink does."""

    def __init__(self, sink: AuditSink, clock: Callable[[], float], members: Mapping[str, Any]) -> None:
        """`members` are the members of `AuditEvent` that are equal at its start and at its end."""
        self._sink = sink
        self._clock = clock
        self._members = members
        self._began = time.perf_counter()

    async def started(self) -> None:
        """Records that the step starts. Cancelled before the event is written, it records the end too."""
        try:
            await self._sink.record(
                AuditEvent(time=self._clock(), outcome=AuditOutcome.STARTED, **self._members)
            )
        except asyncio.CancelledError as error:
            await self.ended_by(error)
            raise

    async def ended(
        self,
        outcome: AuditOutcome,
        error: ErrorCode | None = None,
        *,
        caller: VerifiedAccessToken | None = None,
    ) -> None:
        """Records the end of the step. `caller` is the result of an authentication."""
        found = {} if caller is None else {"principal": caller.principal}
        event = AuditEvent(
            time=self._clock(),
            outcome=outcome,
            error=error,
            duration=time.perf_counter() - self._began,
            **{**self._members, **found},
        )
        await self._sink.record(event)

    async def ended_by(self, error: BaseException) -> None:
        """Records the end by `error`: `refused` if it is a decision, else `failed` or `cancelled`."""
        if isinstance(error, AgentError):
            decided = isinstance(error, AccessTokenError | CredentialError)
            await self.ended(AuditOutcome.REFUSED if decided else AuditOutcome.FAILED, error.code)
        elif isinstance(error, asyncio.CancelledError):
            await self.ended(AuditOutcome.CANCELLED)
        else:
            await self.ended(AuditOutcome.FAILED)

    async def around(self, work: Awaitable[T]) -> T:
        """Awaits `work`, and records its end before its result is returned or its error raised."""
        try:
            result = await work
        except BaseException as error:
            await self.ended_by(error)
            raise
        await self.ended(AuditOutcome.SUCCEEDED)
        return result


class AuditTrail:
    """Creates the steps of one agent.

    A token is recorded as a keyed hash: HMAC-SHA-256 of its SHA-256, truncated to 128 bits. It relates the
    events of one token, in all processes that have the key, and cannot be computed without it.
    """

    def __init__(
        self,
        sink: AuditSink | None = None,
        *,
        client: str | None = None,
        key: bytes | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`client` is the agent's own client id in IDaaS.

        `key` is that of tokens' hashes. Without it a random key is used, which never leaves the process.
        """
        self._sink = sink or NullAuditSink()
        self._client = client
        self._clock = clock
        self._key = secrets.token_bytes(32) if key is None else key
        self._hash = lru_cache(1024)(self._keyed_hash)

    def authentication(self, presented: Secret | None, audience: str, scope: str) -> AuditedStep:
        """The authentication of a request. `presented` is its token, if it has one.

        `audience` and `scope` are the required ones.
        """
        token_hash = None
        if presented is not None:
            digest = hashlib.sha256(presented.reveal().encode(errors="surrogatepass"))
            token_hash = self._hash(digest.hexdigest())
        return self._step(AuditedAction.AUTHENTICATION, audience=audience, scope=scope, token_hash=token_hash)

    def issue(
        self,
        requirement: CredentialRequirement,
        access_identity: AccessIdentity,
        caller: VerifiedAccessToken | None,
    ) -> AuditedStep:
        """The request for a credential. Under Machine identity the event names no caller."""
        human = access_identity is AccessIdentity.HUMAN
        match requirement:
            case ApiKeyRequirement():
                action = AuditedAction.API_KEY_ISSUE
            case IssuedJwtRequirement():
                action = AuditedAction.JWT_ISSUE
            case CloudRoleRequirement():
                action = AuditedAction.CLOUD_ROLE_ISSUE
            case OAuthTokenRequirement():
                action = AuditedAction.OAUTH_TOKEN_ISSUE
            case _:
                action = AuditedAction.TOKEN_EXCHANGE if human else AuditedAction.MACHINE_TOKEN
        return self._credential_step(
            action, requirement, access_identity, caller if human else None, client=self._client
        )

    def revocation(self, revocation: Revocation, issuer: str) -> AuditedStep:
        """Of a decision about access tokens: of a user of `issuer`, of one token by its hash, or of all."""
        of_user = revocation.target is Target.USER
        return self._step(
            AuditedAction.ACCESS_RESTORED if revocation.until is None else AuditedAction.ACCESS_REVOKED,
            principal=Principal(issuer, revocation.name) if of_user else None,
            token_hash=self._hash(revocation.name) if revocation.target is Target.TOKEN else None,
            client=revocation.origin.value,
        )

    def tool_call(
        self,
        service: str | None,
        tool: str,
        call_id: str,
        requirement: CredentialRequirement | None,
        access_identity: AccessIdentity | None,
        caller: VerifiedAccessToken,
    ) -> AuditedStep:
        """The call of a tool of `service` for `caller`, with the credential that the service requires.

        `service` is `None` if no service has the tool.
        """
        return self._credential_step(
            AuditedAction.TOOL_CALL,
            requirement,
            access_identity,
            caller,
            service=service,
            tool=tool,
            call_id=call_id,
        )

    def _credential_step(
        self,
        action: AuditedAction,
        requirement: CredentialRequirement | None,
        access_identity: AccessIdentity | None,
        caller: VerifiedAccessToken | None,
        **members: str | None,
    ) -> AuditedStep:
        match requirement:
            case AccessTokenRequirement():
                members |= {"audience": requirement.audience, "scope": requirement.permission}
            case ApiKeyRequirement(identifier):
                members["credential"] = identifier
            case IssuedJwtRequirement(provider, audience):
                members |= {"credential": provider, "audience": audience}
            case CloudRoleRequirement(role):
                members["credential"] = role
            case OAuthTokenRequirement(provider, scopes):
                members |= {"credential": provider, "scope": " ".join(scopes) or None}
        if caller is not None:
            members["token_hash"] = self._hash(caller.fingerprint)
        return self._step(
            action,
            access_identity=access_identity,
            principal=None if caller is None else caller.principal,
            **members,
        )

    def _step(self, action: AuditedAction, **members: object) -> AuditedStep:
        members["action"] = action
        members["request_id"] = REQUEST_ID.get()
        return AuditedStep(self._sink, self._clock, members)

    def _keyed_hash(self, fingerprint: str) -> str:
        return hmac.digest(self._key, fingerprint.encode(), "sha256").hex()[:32]
