"""The frame around each visit of a node: its caller is verified, events name it, and its errors are noted."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, NamedTuple, Protocol, TypeAlias

from langchain_core.messages import AnyMessage
from langgraph.errors import GraphInterrupt
from langgraph.runtime import Runtime

from graph.context import AgentContext, TokenLookup, context_of, writer_of
from graph.error_codes import GraphCode
from graph.events import StepEvent
from graph.state import AgentState, PrincipalRecord
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AccessTokenError, AgentError
from identity.secrets.secret import Secret


class Visit(NamedTuple):
    """A visit of a node: the state of the run, its verified caller, and LangGraph's runtime."""

    state: AgentState
    caller: VerifiedAccessToken
    runtime: Runtime[AgentContext]


CallerNode: TypeAlias = Callable[[Visit], Awaitable[dict[str, Any]]]
"""A node of the graph that acts for a verified caller. It returns the update of the state."""


CallerOf: TypeAlias = Callable[[AgentState, Runtime[AgentContext]], Awaitable[VerifiedAccessToken]]


class Verifier(Protocol):
    """Verifies access tokens; `AccessTokenVerifier` is the real one."""

    async def verify(self, token: Secret) -> VerifiedAccessToken:
        """Raises `AccessTokenError` for a token that does not admit its bearer."""


async def verified_bearer(verifier: Verifier, token: Secret | None) -> VerifiedAccessToken:
    """The bearer of a run's access token. Raises `AccessTokenError`, also if the run has none."""
    if token is None:
        raise AccessTokenError(GraphCode.ACCESS_TOKEN_MISSING, "the run has no access token of a caller")
    return await verifier.verify(token)


@dataclass(frozen=True)
class Callers:
    """Finds the caller of a run, and verifies them before each visit of a node: here, of a run that is not
    kept. A token that was verified before costs microseconds.
    """

    verifier: Verifier
    token_of: TokenLookup

    def of(self, state: AgentState, runtime: Runtime[AgentContext]) -> Awaitable[VerifiedAccessToken]:  # noqa: ARG002 - for runs that are kept
        """The caller of the run in `state`, which goes on. Raises `AccessTokenError`."""
        return self.first(runtime)

    async def first(self, runtime: Runtime[AgentContext]) -> VerifiedAccessToken:
        """The caller of a run that begins: the bearer of its access token. Raises `AccessTokenError`."""
        lookup = self.token_of(runtime)
        token = await lookup if isawaitable(lookup) else lookup
        return await verified_bearer(self.verifier, token)


class Node(Protocol):
    """A node in LangGraph's form."""

    async def __call__(self, state: AgentState, *, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        """The update of the state."""


def as_langgraph_node(name: str, node: CallerNode, caller_of: CallerOf) -> Node:
    """`node` in LangGraph's form, called for the caller whom `caller_of` verifies before each visit.

    The update contains the caller's principal, without the token. No node relies on the principal of the
    state: a resumed run starts in the middle, perhaps for another caller.
    If the run's context requests it, an event names the node before each visit, and one after each visit
    that succeeds. What it raises is the run's own, and is in its context (`AgentContext.raised`); among it is
    `AccessTokenError`, if the caller's token is missing or refused.
    """

    async def visit(state: AgentState, *, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        write = writer_of(runtime) if context_of(runtime).steps else None
        if write is not None:
            write(StepEvent(type="step_started", step=name))
        raised: AgentError | GraphInterrupt
        try:
            caller = await caller_of(state, runtime)
            principal = PrincipalRecord(issuer=caller.principal.issuer, subject=caller.principal.subject)
            update = {**await node(Visit(state, caller, runtime)), "principal": principal}
        except AgentError as error:
            raised = error.again()  # several runs may have this one
        except GraphInterrupt as interrupt:
            raised = interrupt
        else:
            if write is not None:
                write(StepEvent(type="step_finished", step=name))
            return update
        context_of(runtime).raised.append(raised)
        raise raised

    return visit


BeginState: TypeAlias = Callable[[Sequence[AnyMessage], Runtime[AgentContext]], Mapping[str, Any]]
"""The part of a run's state that a feature begins, by the messages of the run and its context."""


async def begin_run(features: Sequence[BeginState], visit: Visit) -> dict[str, Any]:
    """The node `authenticate`: its caller is verified, as before each; it resets the counters of a run, and
    begins the part of each of `features`.
    """
    update: dict[str, Any] = {"rounds": 0, "accepted": {}, "context": ""}
    for begin in features:
        update |= begin(visit.state["messages"], visit.runtime)
    return update
