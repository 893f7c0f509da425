"""The caller of a run: verified before each visit of a node, and recorded in the state."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Protocol, TypeAlias

from langgraph.runtime import Runtime

from graph.context import AgentContext, TokenLookup
from graph.error_codes import GraphCode
from graph.state import AgentState, PrincipalRecord
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AccessTokenError
from identity.secrets.secret import Secret


class Verifier(Protocol):
    """Verifies access tokens; `AccessTokenVerifier` is the real one."""

    async def verify(self, token: Secret) -> VerifiedAccessToken:
        """Raises `AccessTokenError` for a token that does not admit its bearer."""
        ...


class Callers:
    """Finds and verifies the caller of a run. A token that was verified before costs microseconds."""

    def __init__(self, verifier: Verifier, token_of: TokenLookup) -> None:
        self._verifier = verifier
        self._token_of = token_of

    async def of(self, runtime: Runtime[AgentContext]) -> VerifiedAccessToken:
        """The caller of this run. Raises `AccessTokenError`."""
        found = self._token_of(runtime)
        token = await found if isawaitable(found) else found
        if token is None:
            raise AccessTokenError(
                GraphCode.ACCESS_TOKEN_MISSING, "the run has no access token of its caller"
            )
        return await self._verifier.verify(token)


class CallerNode(Protocol):
    """A node of the graph that acts for a verified caller."""

    async def __call__(
        self, state: AgentState, caller: VerifiedAccessToken, runtime: Runtime[AgentContext]
    ) -> dict[str, Any]:
        """The update of the state."""
        ...


class Node(Protocol):
    """A node in LangGraph's form."""

    async def __call__(self, state: AgentState, *, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        """The update of the state."""
        ...


CallerOf: TypeAlias = Callable[[AgentState, Runtime[AgentContext]], Awaitable[VerifiedAccessToken]]
"""Verifies the caller of a run in a state of it."""


def as_verified_caller(caller_of: CallerOf, node: CallerNode) -> Node:
    """`node` in LangGraph's form, called for the caller that is verified before each visit.

    The update contains the caller's principal, without the token. No node relies on the principal of the
    state: a resumed run starts in the middle, perhaps for another caller.
    The node raises `AccessTokenError` if the caller's token is missing or refused.
    """

    async def verified(state: AgentState, *, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        caller = await caller_of(state, runtime)
        principal = PrincipalRecord(issuer=caller.principal.issuer, subject=caller.principal.subject)
        return {**await node(state, caller, runtime), "principal": principal}

    return verified
