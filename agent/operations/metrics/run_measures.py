"""Runs are observed: their measures, and their spans."""

from types import TracebackType
from typing import Any, Final, Self

from identity.observation.attribute import Attribute
from identity.observation.metrics import LONG_SECONDS, Kind, Metrics, error_type
from identity.observation.span import timed_span

AGENT: Final = "idaas-agent"
"""The name of the agent in traces."""
_OPERATION: Final = "invoke_agent"
_TOKENS: Final = frozenset({"content", "reasoning"})


class RunMeasures:
    """Runs of one agent, on every surface."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self.open = 0
        metrics.observed(
            Kind.GAUGE, "idaas_agent.runs.open", "Runs that go on now", unit="{run}", read=lambda: self.open
        )
        self.seconds = metrics.histogram(
            "gen_ai.invoke_agent.duration",
            "Runs, from their start to their end, by the code of their error",
            labels=(Attribute.ERROR_TYPE,),
            bounds=LONG_SECONDS,
        )
        self.first_token = metrics.histogram(
            "idaas_agent.run.time_to_first_token",
            "From the start of a streamed run to its first piece of text or thinking",
            bounds=LONG_SECONDS,
        )

    def run(self, thread_id: str | None = None) -> "RunMeasure":
        """A context manager around the work of one run, of the conversation `thread_id` if it has one."""
        return RunMeasure(self, thread_id)


class RunMeasure:
    """One run."""

    __slots__ = ("_measures", "_thread_id", "_timed", "_waits")

    def __init__(self, measures: RunMeasures, thread_id: str | None) -> None:
        self._measures = measures
        self._thread_id = thread_id
        self._timed = timed_span(measures.seconds, (), _OPERATION, AGENT)
        self._waits = True

    def record(self, event: Any) -> None:  # noqa: ANN401 - an event of the graph, or the end
        """Records an event of the run, or its end."""
        if self._waits and isinstance(event, dict) and event.get("type") in _TOKENS:
            self._waits = False
            self._measures.first_token.observe(self._timed.elapsed)
        elif (span := self._timed.span).recording and (usage := getattr(event, "usage", None)) is not None:
            span.set(Attribute.INPUT_TOKENS, usage.input_tokens)
            span.set(Attribute.OUTPUT_TOKENS, usage.output_tokens)

    def failed(self, error: BaseException) -> None:
        """The run ends with `error`, also `CancelledError`, which is not raised through the block."""
        self._timed.fail(error_type(error))

    def __enter__(self) -> Self:
        self._measures.open += 1
        span = self._timed.__enter__().span
        if span.recording:
            span.set(Attribute.OPERATION, _OPERATION)
            span.set(Attribute.AGENT_NAME, AGENT)
            span.set_for_trace(Attribute.CONVERSATION, self._thread_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._measures.open -= 1
        self._timed.__exit__(kind, error, traceback)
