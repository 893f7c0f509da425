"""Requires a verified access token for every request, except for the listed public paths, and records it.

An ASGI middleware in front of the whole application, so that it covers every route, also those that libraries
add, such as those of LangServe, and every path without a route.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cachetools import TTLCache
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.errors.error_response import error_response
from agent.http.public_address import public_address
from agent.settings.settings import Settings
from idaas_agent.library.bearer import bearer_token, challenge
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.access_token.verifier import AccessTokenVerifier
from identity.audit.authentication import verified_on_record
from identity.audit.event import AuditOutcome
from identity.audit.trail import AuditTrail, Step
from identity.errors import AccessTokenError, AgentError
from identity.observation.request_context import USER, user_attribute, user_label
from identity.observation.span import CURRENT_SPAN
from identity.secrets.secret import Secret

_PROTECTED_RESOURCE_PATH: Final = "/.well-known/oauth-protected-resource"


def metadata_path(resource_path: str = "") -> str:
    """Where the metadata (RFC 9728) of the agent is; with `resource_path`, of that path as a resource."""
    return _PROTECTED_RESOURCE_PATH + resource_path


@dataclass(frozen=True, slots=True)
class OpenPaths:
    """Whole paths that need no access token."""

    readable: frozenset[str] = frozenset()
    """For GET and HEAD alone."""
    signed: frozenset[str] = frozenset()
    """For POST alone: the route authenticates each request by its signature."""

    def contain(self, scope: Scope) -> bool:
        """Whether the request needs no access token."""
        if scope["type"] != "http":
            return False
        if scope["method"] == "POST":
            return scope["path"] in self.signed
        return scope["path"] in self.readable and scope["method"] in ("GET", "HEAD")


CALLER: Final = "idaas_agent.caller"
"""The key of the verified access token in an ASGI scope; absent on public paths."""


def caller_of(scope: Mapping[str, Any]) -> VerifiedAccessToken:
    """The verified access token of the request with this ASGI scope."""
    token: VerifiedAccessToken = scope[CALLER]
    return token


def authentication(
    app: ASGIApp,
    *,
    admission_of: Callable[[str], "Admission"],
    open_paths: OpenPaths,
    metadata_of: Callable[[str], str],
    polls: Callable[[Scope], bool],
) -> ASGIApp:
    """ASGI middleware: passes on lifespan events, open paths and verified callers; refuses everything else.

    `admission_of` returns the admission of a path, `metadata_of` the path of the metadata to which a refusal
    refers. A request that `polls` is not recorded each time (`Admission.admit`).
    """

    async def authenticated(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or open_paths.contain(scope):
            await app(scope, receive, send)
            return
        admission = admission_of(scope["path"])
        try:
            headers = (
                value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"
            )
            scope[CALLER] = await admission.admit(headers, recorded=not polls(scope))
            await app(scope, receive, send)
        except AgentError as error:  # also after the body (`Admission.admit_again`); routes handle their own
            challenge = admission.challenge(error, scope, metadata_of(scope["path"]))
            await error_response(error, challenge)(scope, receive, send)

    return authenticated


_RECORDED_SECONDS: Final = 3600.0
_TOKENS: Final = 10_000


@dataclass(eq=False, slots=True)
class Admission:
    """Verifies the access token of a request. The agent requires `scope`, of the audience of the settings."""

    verifier: AccessTokenVerifier
    audit: AuditTrail
    settings: Settings
    scope: str
    clock: Callable[[], float] = time.time
    _recorded: TTLCache[str, bool] = field(init=False)
    """The tokens whose unrecorded use was recorded in the last hour, by their fingerprints."""

    def __post_init__(self) -> None:
        self._recorded = TTLCache(_TOKENS, _RECORDED_SECONDS, self.clock)

    async def admit(self, authorization: Iterable[str], *, recorded: bool = True) -> VerifiedAccessToken:
        """The verified access token of the `Authorization` headers of one request.

        Unless `recorded`, the caller is recorded once an hour for each token; a refusal always is.
        Raises the verifier's errors, and `AuditError` if the audit record cannot be written.
        """
        try:
            token = bearer_token(authorization)
        except AccessTokenError as error:
            await self._step(None).ended_by(error)
            raise
        step = self._step(token)
        caller = await verified_on_record(self.verifier, token, step)
        user = user_label(self.settings.telemetry_user)(caller.principal)
        USER.set(user)
        CURRENT_SPAN.get().set_for_trace(user_attribute(self.settings.telemetry_user), user)
        if recorded or caller.fingerprint not in self._recorded:
            await step.ended(AuditOutcome.SUCCEEDED)
            if not recorded:
                self._recorded[caller.fingerprint] = True
        return caller

    async def admit_again(self, caller: VerifiedAccessToken) -> None:
        """Refuses a caller whose token has expired or was revoked while their request arrived.

        Raises, and records, as `admit` does; a caller who is admitted again is not recorded again.
        """
        try:
            self.verifier.verify_again(caller)
        except AccessTokenError as error:
            await self._step(caller.token).ended_by(error)
            raise

    def challenge(self, error: Exception, scope: Scope, metadata: str) -> dict[str, str]:
        """The `WWW-Authenticate` header for `error`, if it is about the access token (RFC 9728, section 5.1).
        `metadata` is the path of the metadata.
        """
        address = public_address(self.settings, scope) + metadata
        return challenge(error, self.settings.agent_audience, self.scope, resource_metadata=address)

    def _step(self, presented: Secret | None) -> Step:
        return self.audit.authentication(presented, self.settings.agent_audience, self.scope)
