"""What the LangGraph Server entry keeps in memory: the callers' access tokens, and the agent.

The server stores whatever its auth handler returns, on disk too. So the handler returns a reference, and the
token stays here until it expires. A reference means something in this process only; after a restart a caller
shows his token again.

The server loads `agent/langgraph_server/entry.py` once for the graph and once for the auth handler; both
import this module, so that it exists once.
"""

import asyncio
import hmac
import logging
import os
import secrets
import time
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

from cachetools import TLRUCache
from langgraph.runtime import Runtime

from agent.composition import Agent
from agent.settings.variable_names import misspelt_variables
from agent.settings.variables import read_settings
from agent.tracing import Tracing, trace_by_default
from graph.context import AgentContext
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.secret import Secret

_LOG: Final = logging.getLogger("idaas_agent.settings")

REFERENCE: Final = "access_token_reference"

VERIFIED: Final = "idaas_agent.verified_access_token"
"""Where the wall (`agent.langgraph_server.route_guard`) leaves a request's verified token, in the ASGI
scope."""


class TokenReferences:
    """Verified tokens by reference, until they expire. Beyond `capacity` the least recently used one goes."""

    def __init__(self, *, capacity: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._tokens: TLRUCache[str, VerifiedAccessToken] = TLRUCache(
            capacity, ttu=lambda _, token, __: token.expires_at, timer=clock
        )

    def hold(self, token: VerifiedAccessToken) -> str:
        """A reference to the token; the same one for the same token."""
        reference = hmac.digest(self._key, token.fingerprint.encode(), "sha256").hex()
        self._tokens[reference] = token
        return reference

    def __len__(self) -> int:
        """How many are in memory."""
        return len(self._tokens)

    def find(self, reference: object, identity: object) -> Secret | None:
        """The token, if it is held, still good, and that of `identity` (see `identity_of`)."""
        token = self._tokens.get(reference) if isinstance(reference, str) else None
        return token.token if token is not None and identity == identity_of(token) else None


def identity_of(token: VerifiedAccessToken) -> str:
    """How the server knows a caller: the subject, unique within the one issuer that the agent trusts."""
    return token.principal.subject


held_tokens: Final = TokenReferences()

_agents: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Agent]]] = WeakKeyDictionary()


async def agent_of_this_loop() -> Agent:
    """The agent, as this process's environment configures it: made at first use, one for each event loop.

    Raises `ConfigurationError`.
    """
    loop = asyncio.get_running_loop()
    made = _agents.get(loop)
    if made is None or (made.done() and (made.cancelled() or made.exception() is not None)):
        # In a thread, because files are read: the configuration, and the authorities to trust.
        made = _agents[loop] = loop.create_task(asyncio.to_thread(_make_agent))
    return await asyncio.shield(made)


def _make_agent() -> Agent:
    for warning in misspelt_variables(os.environ):
        _LOG.warning("%s", warning)
    agent = Agent(read_settings(os.environ), caller=token_of_user)
    # The server starts the graph itself, without `agent.run`.
    trace_by_default(agent.settings.agent_tracing is Tracing.LANGSMITH)
    return agent


def token_of_user(runtime: Runtime[AgentContext]) -> Secret | None:
    """The access token of the user whom the auth handler found (`graph.context.TokenLookup`).

    What clients send as `context`, `configurable` or input is not looked at.
    """
    user: Any = runtime.server_info.user if runtime.server_info is not None else None
    if user is None:
        return None
    try:
        return held_tokens.find(user[REFERENCE], user.identity)
    except (KeyError, AttributeError):
        return None
