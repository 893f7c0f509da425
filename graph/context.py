"""What a run is given besides its messages: the caller's access token.

It enters by LangGraph's `Runtime.context`, which is never written to a checkpoint, a stream or a trace.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from langgraph.runtime import Runtime

from identity.secret import Secret


@dataclass(frozen=True, slots=True)
class AgentContext:
    """The context of one run: `graph.astream(…, context=AgentContext(Secret(token)))`.

    `streaming` asks the model for its answer piece by piece, sent as events (`graph.events`). Without it the
    answer comes whole; LangGraph's stream mode `messages` shows pieces in either case.
    """

    access_token: Secret | None = None
    streaming: bool = False


TokenLookup: TypeAlias = Callable[[Runtime[AgentContext]], Secret | None]
"""How a run finds its caller's access token. A server whose runs have no context brings its own."""


def token_in_context(runtime: Runtime[AgentContext]) -> Secret | None:
    """The access token given as `context=`; `None` if there is none.

    Only a `Secret` counts: a string that some client put there was perhaps logged or stored on its way.
    """
    token = runtime.context.access_token if isinstance(runtime.context, AgentContext) else None
    return token if isinstance(token, Secret) else None
