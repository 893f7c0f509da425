"""The floor: the agent's surface, limits and graph without authentication, credentials and audit.

Every request is admitted, the nodes `authenticate` and `credentials` do nothing, keys are static, and nothing
is recorded. The difference to the agent is the cost of identity.
"""

import os
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.http.authentication import CALLER, authentication
from agent.http.memory import frozen_startup_objects
from agent.operations.log_setup import set_up_logging
from agent.settings.settings import Settings, read_settings
from benchmarks.servers.instant_model import InstantModel
from graph import parts
from graph.callers import Callers, Visit
from graph.models.provider import ChatModelProvider
from identity import parts as identity_parts
from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import ApiKeyRequirement, Credential
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret

_ANONYMOUS = assume_verified(
    principal=Principal("https://idaas.example", "anonymous"),
    audience=("agent",),
    scopes=frozenset(),
    expires_at=1e12,
    fingerprint="anonymous",
    token=Secret("anonymous"),
)
_STATIC_KEY = Credential(ApiKeyRequirement("static"), AccessIdentity.MACHINE, Secret("static"), 1e12)


class _Static:
    """Replaces a method of `Callers`, `ServiceCredentials` and `Access`: one caller, one key, no checks."""

    renewed = update = None

    def __init__(self, *_: object) -> None:
        self.requirements: dict[str, Any] = {}

    async def caller(self, *_: object, **__: object) -> VerifiedAccessToken:
        return _ANONYMOUS

    def cached(self) -> Credential:
        return _STATIC_KEY

    async def credential(self) -> Credential:
        return _STATIC_KEY


class _ServiceCredentials(_Static):
    def of(self, *_: object) -> "_ServiceCredentials":
        return self


def _node(update: dict[str, Any]) -> Callable[..., Any]:
    async def no_op(visit: Visit) -> Any:  # noqa: ARG001 - a node's signature
        return update

    return lambda *_: no_op


class NoAuthentication:
    """Replaces `authentication`: every request has the same anonymous caller."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admits every request."""
        scope[CALLER] = _ANONYMOUS
        await self._app(scope, receive, send)


class _AgentWithoutIdentity(Agent):
    """The agent without the parts that check, obtain or record. Tools are listed once, at the start.

    Nodes and audit are replaced by name: the composition has no argument for them, because an agent without
    them is of no use outside a measurement.
    """

    def __init__(self, settings: Settings) -> None:
        for owner, name, other in (
            (identity_parts, "audit_trail", lambda _, __, clock: AuditTrail(clock=clock)),
            (Callers, "first", _Static.caller),
            (parts, "ServiceCredentials", _ServiceCredentials),
            (parts, "CredentialsNode", _node({"rounds": 0})),
        ):
            setattr(owner, name, other)
        super().__init__(settings, model=ChatModelProvider(InstantModel()))


def app() -> FastAPI:
    """The application that `agent.api.app` builds, without its identity parts."""
    set_up_logging()
    settings = read_settings(os.environ)
    with frozen_startup_objects():
        server = create_app(settings, _AgentWithoutIdentity(settings))
    server.user_middleware = [
        Middleware(NoAuthentication) if each.cls is authentication else each  # type: ignore[comparison-overlap]  # a factory, by Starlette's types
        for each in server.user_middleware
    ]
    return server
