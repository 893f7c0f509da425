"""The graph that `aegra.json` names. Aegra loads this file as a module of its own."""

from collections.abc import Mapping
from typing import Any, Self

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel
from langgraph.types import Command

from agent.api.langgraph.run_input import is_input
from agent.api.langgraph.sealed_callers import GIVEN, run_digest
from agent.api.langgraph.server_agent import server_agent
from agent.api.langgraph.traced_graph import EventChannels, RunSpans, TracedGraph


class ContinuedGraph(TracedGraph):
    """A compiled graph: a run that a worker began is continued by the next worker, not begun again.

    Aegra gives it a checkpointer, and each run its id in `configurable`. It executes a run whose worker has
    gone once more, with the same input or the same answer. The input would be a second message of the person,
    and an answer could be read by the next question. So the latest checkpoint decides: if this run wrote it,
    the run continues from there.

    In the event-streaming protocol Aegra takes a message for the answer to the question on which the thread
    waits. Here it is a message: of an approval that has expired, because for one that is open it was refused.
    """

    @classmethod
    def of(cls, graph: CompiledStateGraph[Any, Any, Any, Any], spans: RunSpans | None = None) -> Self:
        """`graph`, whose runs are continued."""
        made = super().of(graph, spans)
        made.stream_transformers = (EventChannels,)  # which Aegra does not look for
        return made

    async def _given(self, given: Any, config: RunnableConfig | None) -> tuple[Any, RunnableConfig | None]:  # noqa: ANN401 - the base's
        given = given.resume if isinstance(given, Command) and is_input(given.resume) else given
        configurable: dict[str, Any] = {**(config or {}).get("configurable", {})}
        configurable[GIVEN] = run_digest(given, configurable.get("checkpoint_id"))
        continued = None if await self._was_begun(configurable) else given
        return continued, {**(config or {}), "configurable": configurable}

    async def _was_begun(self, configurable: Mapping[str, Any]) -> bool:
        run_id = configurable.get("run_id")
        thread_id = configurable.get("thread_id")
        if not run_id or not thread_id or self.checkpointer is None or isinstance(self.checkpointer, bool):
            return False
        latest = await self.checkpointer.aget_tuple(
            {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
        )
        return latest is not None and latest.metadata.get("run_id") == run_id


async def agent() -> Pregel[Any, Any, Any, Any]:
    """The graph of the agent. Aegra calls this once, and gives the graph its checkpointer for each run."""
    return ContinuedGraph.of((await server_agent()).graph)
