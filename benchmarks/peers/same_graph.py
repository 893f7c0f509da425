"""The floor: the agent as it is, surface, limits and graph, with nobody who authenticates or obtains.

Whoever comes is let in, the nodes `authenticate` and `credentials` pass on, keys are static, and nothing goes
on record. What is left of the difference is what identity costs.
"""

import os
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from langgraph.runtime import Runtime
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from agent import composition
from agent.api.app import create_app
from agent.composition import Agent
from agent.middleware.authentication import CALLER, Authentication
from agent.middleware.request_log import set_up_logging
from agent.server.garbage_collection import spare_what_lives_long
from agent.settings.variables import Settings, read_settings
from benchmarks.servers.instant_model import InstantModel
from graph import build
from graph.context import AgentContext
from graph.state import AgentState
from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import Principal, VerifiedAccessToken, assume_verified
from identity.credentials.credential import ApiKey, Credential
from identity.secret import Secret

_NOBODY = assume_verified(
    principal=Principal("https://idaas.example", "nobody"),
    audience=("agent",),
    scopes=frozenset(),
    expires_at=1e12,
    fingerprint="nobody",
    token=Secret("nobody"),
)
_STATIC_KEY = Credential(ApiKey("static"), AccessIdentity.MACHINE, Secret("static"), 1e12)


class _Static:
    """In the place of `Callers`, of `Accesses` and of an access: one caller, one key, and no question."""

    renewed = None

    def __init__(self, *_: object) -> None:
        self.requirements: dict[str, Any] = {}

    async def caller(self, _: object) -> VerifiedAccessToken:
        return _NOBODY

    def at_hand(self) -> Credential:
        return _STATIC_KEY

    async def credential(self) -> Credential:
        return _STATIC_KEY


class _Callers(_Static):
    of = _Static.caller


class _Accesses(_Static):
    def of(self, *_: object) -> "_Accesses":
        return self


def _node(update: dict[str, Any]) -> Callable[..., Any]:
    async def passed_on(state: AgentState, runtime: Runtime[AgentContext]) -> dict[str, Any]:  # noqa: ARG001
        return update

    return lambda *_: passed_on


class Everybody:
    """In the place of `Authentication`: whoever comes is nobody in particular."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets all in."""
        scope[CALLER] = _NOBODY
        await self._app(scope, receive, send)


class _Unidentified(Agent):
    """The tools are listed with the machine's own credential once, at the start, as the agent does."""

    def __init__(self, settings: Settings) -> None:
        composition.qwen_chat = lambda **_: InstantModel()  # type: ignore[assignment]
        composition.AuditTrail = lambda *_, clock, **__: _Unrecorded(clock=clock)  # type: ignore[assignment,misc]
        for name, other in {
            "Callers": _Callers,
            "Accesses": _Accesses,
            "Authenticate": _node({"rounds": 0, "offered": {}}),
            "ResolveCredentials": _node({"rounds": 0}),
        }.items():
            setattr(build, name, other)
        super().__init__(settings)


_Unrecorded = composition.AuditTrail


def app() -> FastAPI:
    """The surface as `agent.api.app` builds it, without what is about identity."""
    set_up_logging()
    settings = read_settings(os.environ)
    server = create_app(settings, _Unidentified(settings))
    server.user_middleware = [
        Middleware(Everybody) if each.cls is Authentication else each  # type: ignore[comparison-overlap]
        for each in server.user_middleware
    ]
    spare_what_lives_long()
    return server
