"""The in-memory state of the LangGraph Server entry: the callers' access tokens, and the agent.

The server stores the result of its auth handler, also on disk. Therefore the handler returns a reference, and
the token stays here until it expires. A reference is valid in this process only; after a restart a caller
presents their token again.

The server loads `agent/langgraph_server/entry.py` twice, for the graph and for the auth handler. Both import
this module, which is loaded once.
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

from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from agent.settings.variable_names import misspelt_variables
from agent.telemetry.traces.langsmith import Tracing, trace_by_default
from graph.context import AgentContext
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.secrets.secret import Secret

_LOG: Final = logging.getLogger("idaas_agent.settings")

REFERENCE: Final = "access_token_reference"

VERIFIED: Final = "idaas_agent.verified_access_token"
"""The member of the ASGI scope in which `agent.langgraph_server.route_guard` stores the verified token."""


class TokenReferences:
    """Verified tokens by reference, until they expire; above `capacity` the least recently used goes."""

    def __init__(self, *, capacity: int = 10_000, clock: Callable[[], float] = time.time) -> None:
        self._key = secrets.token_bytes(32)
        self._tokens: TLRUCache[str, VerifiedAccessToken] = TLRUCache(
            capacity, ttu=lambda _, token, __: token.expires_at, timer=clock
        )

    def add(self, token: VerifiedAccessToken) -> str:
        """A reference to the token; the same one for the same token."""
        reference = hmac.digest(self._key, token.fingerprint.encode(), "sha256").hex()
        self._tokens[reference] = token
        return reference

    def __len__(self) -> int:
        """The number of tokens in memory."""
        return len(self._tokens)

    def find(self, reference: object, identity: object) -> Secret | None:
        """The token, if it is in memory, has not expired, and belongs to `identity` (see `identity_of`)."""
        token = self._tokens.get(reference) if isinstance(reference, str) else None
        return token.token if token is not None and identity == identity_of(token) else None


def identity_of(token: VerifiedAccessToken) -> str:
    """The server's name of a caller: the subject, unique within the one issuer that the agent trusts."""
    return token.principal.subject


token_references: Final = TokenReferences()

_agents: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Agent]]] = WeakKeyDictionary()


async def agent_of_this_loop() -> Agent:
    """The agent, configured by the environment of the process: created at first use, one per event loop.

    Raises `ConfigurationError`.
    """
    loop = asyncio.get_running_loop()
    starting = _agents.get(loop)
    if starting is None or (starting.done() and (starting.cancelled() or starting.exception() is not None)):
        # In a thread, because files are read: the configuration, and the authorities to trust.
        starting = _agents[loop] = loop.create_task(_start_agent())
    return await asyncio.shield(starting)


async def _start_agent() -> Agent:
    agent = await asyncio.to_thread(_make_agent)
    await agent.revocation.start()
    if agent.conversation_storage is not None:
        agent.conversation_storage.start()
    return agent


def _make_agent() -> Agent:
    for warning in misspelt_variables(os.environ):
        _LOG.warning("%s", warning)
    agent = Agent(read_settings(os.environ), caller=token_of_user, resume_values=True)
    # The server runs the graph itself, without `agent.runs`.
    trace_by_default(agent.settings.agent_tracing is Tracing.LANGSMITH)
    return agent


def token_of_user(runtime: Runtime[AgentContext]) -> Secret | None:
    """The access token of the user that the auth handler authenticated (`graph.context.TokenLookup`).

    `context`, `configurable` and the input, which clients send, are ignored.
    """
    user: Any = runtime.server_info.user if runtime.server_info is not None else None
    if user is None:
        return None
    try:
        return token_references.find(user[REFERENCE], user.identity)
    except (KeyError, AttributeError):
        return None
