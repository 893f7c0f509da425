"""An application's graph as the server runs it: what it streams becomes the events of every surface.

It has the interface by which `agent.runs` runs the agent's own graph. The server's conversation is what the
graph gets as its messages; what it adds to them is what the conversation keeps. Its checkpointer is that of
one run, so that its other state lasts as long.
"""

import copy
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, Self, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.errors import GraphRecursionError
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Interrupt

from graph.callers import verified_bearer
from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.proposed_calls import RequestedCall
from idaas_agent.library.app_graph import AppGraph
from idaas_agent.library.hosting import RUN
from idaas_agent.library.served_questions import ServedQuestions
from idaas_agent.library.shown_run import ShownRun
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, InternalError
from identity.observation.failure import place_of

INTERRUPT: Final = "__interrupt__"


@dataclass(slots=True)
class ServedGraph:
    """Runs the graph of `app`. `tool_rounds` bounds the responses with calls in one run."""

    app: AppGraph
    questions: ServedQuestions
    tool_rounds: int
    checkpointer: BaseCheckpointSaver[Any] | None = None
    """That of one run, on a copy of this object."""

    def copy(self, update: Mapping[str, Any]) -> Self:
        """This graph, with another checkpointer."""
        copied = copy.copy(self)
        copied.checkpointer = update["checkpointer"]
        return copied

    async def open(self) -> None:
        """Makes the graph, if it is not made yet. Raises `GraphDefinitionError`, and what its code raises."""
        await self.app.compiled()

    async def astream(
        self,
        given: Mapping[str, Any] | None,
        config: RunnableConfig,
        *,
        context: AgentContext,
        **options: Any,  # noqa: ANN401 - `stream_mode` and `durability` of LangGraph
    ) -> AsyncGenerator[dict[str, Any]]:
        """The messages that each node adds to the conversation, by its name, and the question with which the
        run pauses, as the agent's own graph streams it. `None` goes on with the answers of the context.

        Raises `AccessTokenError`, the errors of governed calls, and `InternalError` (`graph_node_failed`) for
        every other failure of the graph, by type and place.
        """
        graph = await self._of_run()
        caller = await self._verified(context)
        if context.extensions.get(RequestedCall) is not None:
            raise InternalError(
                GraphCode.GRAPH_NODE_FAILED, "a client calls no tool of an application's graph"
            )
        read = self.app.identity.known_calls.read
        context = read.noted_in(context)
        shown = ShownRun(context, graph)
        try:
            has_paused = False
            began: Any = given
            if given is None:
                state = await graph.aget_state(config)
                began = await self.questions.resumed(state, context, caller)
                shown.knows(state.values.get("messages", ()))
            else:
                shown.knows(given["messages"])
                is_kept = self.checkpointer is not None and context.kept
                read.begin_run(context, given["messages"], is_kept=is_kept)
            config = self._config(config, graph, shown.context)
            if self.checkpointer is None:
                options.pop("durability", None)
            options |= {"stream_mode": shown.modes, "context": self.app.context_of(context)}
            async with aclosing(_stream(graph, began, config, options)) as parts:
                async for mode, part in parts:
                    if mode != "updates":
                        shown.show(mode, part)
                    elif INTERRUPT in part:
                        has_paused = True
                    else:
                        yield shown.added(part)
            if has_paused:  # the checkpoint is there at the end of the stream
                # What was begun beside the question has its result before another process goes on.
                await self.app.identity.known_calls.made.end_of(config["configurable"]["thread_id"])
                yield {INTERRUPT: await self._asked(graph, config, shown, caller)}
        except GraphRecursionError:
            text = f"the graph took more steps than {self.tool_rounds} rounds of tools need"
            raise InternalError(GraphCode.GRAPH_NODE_FAILED, text) from None
        except AgentError as error:
            raise error.again() from None
        except Exception as fault:  # noqa: BLE001 - the code of the application raises anything
            text = f"the graph raised {type(fault).__name__} at {place_of(fault)}"
            raise InternalError(GraphCode.GRAPH_NODE_FAILED, text) from None

    async def aget_state(self, config: RunnableConfig) -> Any:  # noqa: ANN401 - as LangGraph's, of what is read
        """The state of a run that waits: its messages, and the question that is shown."""
        state = await (await self._of_run()).aget_state(config)
        asked = self.questions.shown(state)
        interrupts = () if asked is None else (asked,)
        return SimpleNamespace(values=state.values, interrupts=interrupts)

    async def _asked(
        self,
        graph: CompiledStateGraph[Any, Any, Any, Any],
        config: RunnableConfig,
        shown: ShownRun,
        caller: VerifiedAccessToken,
    ) -> Sequence[Interrupt]:
        """The one question with which the run pauses."""
        if self.checkpointer is None:
            text = "the graph asks its user, and this conversation is not kept"
            raise InternalError(GraphCode.GRAPH_NODE_FAILED, text)
        state = await graph.aget_state(config)
        return [await self.questions.keep(state, (self.checkpointer, config), shown.context, caller)]

    async def _of_run(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        graph = copy.copy(await self.app.compiled())
        graph.checkpointer = self.checkpointer
        return graph

    async def _verified(self, context: AgentContext) -> VerifiedAccessToken:
        parts = await self.app.identity.parts()
        return await verified_bearer(parts.verifier, context.access_token)

    def _config(self, config: RunnableConfig, graph: Any, run: AgentContext) -> RunnableConfig:  # noqa: ANN401 - LangGraph's
        """`config` with the server's context of the run, and at most the steps of its rounds of tools."""
        steps = len(graph.nodes) * (self.tool_rounds + 2)
        configurable = {**config.get("configurable", {}), RUN: run}
        return {**config, "configurable": configurable, "recursion_limit": steps}


def _stream(
    graph: Any,  # noqa: ANN401 - LangGraph's
    given: Mapping[str, Any] | Command[Any],
    config: RunnableConfig,
    options: Mapping[str, Any],
) -> AsyncGenerator[tuple[str, Any]]:
    stream: AsyncIterator[Any] = graph.astream(given, config, **options)
    return cast(AsyncGenerator[tuple[str, Any]], stream)
