"""The graph on a LangGraph server, each of whose runs is a trace: they are executed in tasks of the server.

The spans of the graph are within `invoke_agent`, which begins here. The server's requests have no spans.
"""

from collections.abc import AsyncIterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from langgraph.stream import ProtocolEvent, StreamTransformer

from agent.composition.agent import Agent
from agent.operations.metrics.run_measures import AGENT
from agent.operations.traces.tracer import Tracer
from identity.observation.attribute import Attribute
from identity.observation.metrics import CANCELLED, error_type
from identity.observation.request_context import UserLabel, user_attribute, user_label
from identity.observation.span import CURRENT_SPAN, Span, SpanKind
from identity.principal import Principal


class EventChannels(StreamTransformer):
    """Names the stream modes of the event-streaming protocol, and passes every event on unchanged.

    The server requests from the graph only the stream modes that some transformer names. Without this one,
    clients of the protocol receive no tool calls, whichever channels they subscribe to.
    """

    required_stream_modes: ClassVar[tuple[str, ...]] = ("tools", "custom", "updates", "checkpoints")

    def init(self) -> dict[str, Any]:
        """No projection."""
        return {}

    def process(self, event: ProtocolEvent) -> bool:  # noqa: ARG002 - the form of a transformer
        """True: the event stays in the stream."""
        return True


_OPERATION: Final = "invoke_agent"


@dataclass(frozen=True, slots=True)
class RunSpans:
    """Begins the span of a run. `issuer` is the issuer of all callers; `user` says how they are named."""

    tracer: Tracer
    issuer: str
    user: UserLabel

    @classmethod
    def of(cls, agent: Agent) -> Self | None:
        """The spans of `agent`; `None` while traces are off."""
        settings = agent.settings
        if agent.tracer is None:
            return None
        return cls(agent.tracer, settings.idaas.issuer, settings.telemetry_user)

    def begin(self, config: RunnableConfig | None) -> Span:
        """The span of a run with `config`, into which the server has put the thread and the user."""
        configurable: Mapping[str, Any] = (config or {}).get("configurable", {})
        span = self.tracer.begin(f"{_OPERATION} {AGENT}", SpanKind.INTERNAL, None)
        span.set(Attribute.OPERATION, _OPERATION)
        span.set(Attribute.AGENT_NAME, AGENT)
        thread = configurable.get("thread_id")
        user = configurable.get("langgraph_auth_user")
        conversation = None if thread is None else str(thread)
        span.set_for_trace(Attribute.CONVERSATION, conversation)
        if (identity := getattr(user, "identity", None)) is not None:
            label = user_label(self.user)(Principal(self.issuer, str(identity)))
            span.set_for_trace(user_attribute(self.user), label)
        return span


class TracedGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A compiled graph. Every method of it by which a server executes a run goes through `astream`."""

    spans: ClassVar[RunSpans | None] = None
    """On the class, because servers copy the graph for each run, with the attributes of its base."""

    @classmethod
    def of(cls, graph: CompiledStateGraph[Any, Any, Any, Any], spans: RunSpans | None = None) -> Self:
        """`graph`, with `spans`, or its own if it has them."""
        spans = spans or getattr(graph, "spans", None)
        made = copy(graph)
        made.__class__ = type(cls.__name__, (cls,), {"spans": spans})
        assert isinstance(made, cls)  # noqa: S101 - as assigned
        return made

    async def _given(self, given: Any, config: RunnableConfig | None) -> tuple[Any, RunnableConfig | None]:  # noqa: ANN401 - any input
        """The input of the graph, and the configuration of the run."""
        return given, config

    async def astream(
        self,
        input: Any,  # noqa: A002, ANN401 - the name of the base
        config: RunnableConfig | None = None,
        **options: Any,  # noqa: ANN401 - the base's
    ) -> AsyncIterator[Any]:
        """Streams the run within its span."""
        input, config = await self._given(input, config)  # noqa: A001 - as above
        stream = super().astream(input, config, **options)
        if self.spans is None:
            async for part in stream:
                yield part
            return
        span = self.spans.begin(config)
        try:
            while True:
                # For each step: the server may take each in another task, and tasks have their own contexts.
                outer = CURRENT_SPAN.set(span)
                try:
                    part = await anext(stream)
                except StopAsyncIteration:
                    return
                finally:
                    CURRENT_SPAN.reset(outer)
                yield part
        except GeneratorExit:
            span.fail(CANCELLED)
            raise
        except BaseException as error:
            span.fail(error_type(error))
            raise
        finally:
            span.end()
