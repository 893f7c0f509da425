"""The steps of an agent: the caller, the action and the credential of each, and who learns of it where it is
executed: the audit log, a span, a measure.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Protocol, Self

from identity.access_token.revocation import CALLS, Revocation, Target
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction, AuditEvent, AuditOutcome
from identity.credentials.requirement import CredentialRequirement
from identity.errors import AccessTokenError, AgentError, CredentialError, ErrorCode
from identity.observation.attribute import Attribute
from identity.observation.metrics import SUCCESS
from identity.observation.request_context import REQUEST_ID
from identity.observation.span import NO_SPAN, Span, timed_span
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret

_SHOWN: Final = {
    "access_identity": Attribute.ACCESS_IDENTITY,
    "audience": Attribute.AUDIENCE,
    "scope": Attribute.SCOPE,
    "credential": Attribute.CREDENTIAL,
    "service": Attribute.SERVICE,
    "tool": Attribute.TOOL,
    "approval": Attribute.APPROVAL,
}
"""The span of a step shows whose rights it uses and what for, as the audit log does; never a credential."""

_DECISIONS: Final = {
    (False, False): AuditedAction.ACCESS_REVOKED,
    (False, True): AuditedAction.ACCESS_RESTORED,
    (True, False): AuditedAction.CALLS_STOPPED,
    (True, True): AuditedAction.CALLS_STARTED,
}
"""The action of a decision, by whether it is about calls, and whether it is taken back."""


class AuditSink(Protocol):
    """Writes audit events; `identity.audit.log.AuditLog` is an implementation."""

    async def record(self, event: AuditEvent) -> None:
        """Writes the event. It is accepted before the first await, so that a cancellation loses no event.

        Raises `AuditError` if records are required and this one cannot be written: then the step that it
        records must not continue.
        """


class Step:
    """One step. `async with` records its end before the block's result is used, and then ends its span.

    Each record raises `AuditError` if the sink does: then the step must not continue.
    """

    def __init__(
        self, sink: AuditSink | None, clock: Callable[[], float], members: Mapping[str, Any]
    ) -> None:
        """`members` are the members of `AuditEvent` that are equal at its start and at its end."""
        self._sink = sink
        self._clock = clock
        self._members = members
        self._began = time.perf_counter()
        self._timed: timed_span | None = None
        self._failure: AgentError | str = SUCCESS
        self._found: dict[str, Any] = {}

    def timed(self, timed: timed_span) -> Self:
        """The block is also that of `timed`."""
        self._timed = timed
        return self

    @property
    def span(self) -> Span:
        """The span of the block."""
        return NO_SPAN if self._timed is None else self._timed.span

    def failed(self, failure: AgentError | str) -> None:
        """The block ends with `failure`, which it does not raise: an error, or the code of an outcome."""
        self._failure = failure

    def found(self, **members: object) -> None:
        """Members of `AuditEvent` that are known at the end only, such as who was authenticated."""
        self._found.update(members)

    async def started(self) -> None:
        """Records that the step starts. Cancelled before the event is written, it records the end too."""
        try:
            await self._record(outcome=AuditOutcome.STARTED)
        except asyncio.CancelledError as error:
            await self.ended_by(error)
            raise

    async def ended(self, outcome: AuditOutcome, error: ErrorCode | None = None) -> None:
        """Records the end."""
        duration = time.perf_counter() - self._began
        await self._record(outcome=outcome, error=error, duration=duration, **self._found)

    async def _record(self, **members: Any) -> None:  # noqa: ANN401 - of `AuditEvent`
        if self._sink is not None:
            await self._sink.record(AuditEvent(time=self._clock(), **{**self._members, **members}))

    async def ended_by(self, error: BaseException) -> None:
        """Records the end by `error`: `refused` if it is a decision, else `failed` or `cancelled`."""
        if isinstance(error, AgentError):
            decided = isinstance(error, AccessTokenError | CredentialError)
            outcome = AuditOutcome.REFUSED if decided else AuditOutcome.FAILED
            await self.ended(outcome, error.code)
        elif isinstance(error, asyncio.CancelledError):
            await self.ended(AuditOutcome.CANCELLED)
        else:
            await self.ended(AuditOutcome.FAILED)

    async def __aenter__(self) -> Self:
        if self._timed is not None and (span := self._timed.__enter__().span).recording:
            for name, attribute in _SHOWN.items():
                span.set(attribute, self._members.get(name))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failure = self._failure
        code = failure.code.value if isinstance(failure, AgentError) else failure
        try:
            if error is not None:
                await self.ended_by(error)
            elif isinstance(failure, AgentError):
                await self.ended_by(failure)
            elif failure:
                await self.ended(AuditOutcome.FAILED)
            else:
                await self.ended(AuditOutcome.SUCCEEDED)
        except BaseException as unrecorded:
            error = unrecorded
            raise
        finally:
            if self._timed is not None:
                self._timed.fail(code)
                self._timed.__exit__(None, error, None)
            del error  # else it and this frame keep each other


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
        """Without `sink`, nothing is recorded. `client` is the agent's own client id in IDaaS.

        `key` is that of tokens' hashes. Without it a random key is used, which never leaves the process.
        """
        self._sink = sink
        self._client = client
        self._clock = clock
        self._key = secrets.token_bytes(32) if key is None else key
        self._hash = lru_cache(1024)(self._keyed_hash)

    def authentication(self, presented: Secret | None, audience: str, scope: str) -> Step:
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
    ) -> Step:
        """The request for a credential. Under Machine identity the event names no caller."""
        action = requirement.issue_action(access_identity)
        user = caller if access_identity is AccessIdentity.HUMAN else None
        return self.call(action, requirement, access_identity, user, client=self._client)

    def revocation(self, revocation: Revocation, issuer: str, reason: str | None = None) -> Step:
        """A decision about access tokens: of a user of `issuer`, of one token by its hash, or of all; or
        about the calls of a user, a service, a tool, or all. `reason` is who decided, and why.
        """
        action = _DECISIONS[revocation.target in CALLS, revocation.until is None]
        members: dict[str, object] = {"client": revocation.origin.value, "reason": reason}
        match revocation.target:
            case Target.USER | Target.CALLS_OF_USER:
                members["principal"] = Principal(issuer, revocation.name)
            case Target.TOKEN:
                members["token_hash"] = self._hash(revocation.name)
            case Target.CALLS_OF_SERVICE:
                members["service"] = revocation.name
            case Target.CALLS_OF_TOOL:
                members["tool"] = revocation.name
        return self._step(action, **members)

    def call(
        self,
        action: AuditedAction,
        requirement: CredentialRequirement | None,
        access_identity: AccessIdentity | None,
        caller: VerifiedAccessToken | None,
        **members: object,
    ) -> Step:
        """A call of the model, of a tool, or of IDaaS, with the credential that it requires.

        `members` are further ones of `AuditEvent`: of a tool's call, `service`, which is `None` if no service
        has the tool, the id of its `approval`, the decision of the policy (`ruled`), and what the
        conversation had `read`.
        """
        if requirement is not None:
            members.update(requirement.carried)
        if caller is not None:
            members |= {"principal": caller.principal, "token_hash": self._hash(caller.fingerprint)}
        return self._step(action, access_identity=access_identity, **members)

    def approval(
        self,
        action: AuditedAction,
        principal: Principal,
        caller: VerifiedAccessToken | None,
        **members: object,
    ) -> Step:
        """The question to `principal` whether a call may be made, or their decision. `members`: the call's,
        and the id of the `approval`.

        `caller` is `None` if their access token has expired.
        """
        token_hash = None if caller is None else self._hash(caller.fingerprint)
        return self._step(action, principal=principal, token_hash=token_hash, **members)

    def _step(self, action: AuditedAction, **members: object) -> Step:
        members["action"] = action
        members["request_id"] = REQUEST_ID.get()
        return Step(self._sink, self._clock, members)

    def _keyed_hash(self, fingerprint: str) -> str:
        return hmac.digest(self._key, fingerprint.encode(), "sha256").hex()[:32]
