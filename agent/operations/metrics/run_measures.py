"""Runs are observed: their measures, and their spans."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from identity.observation.attribute import Attribute
from identity.observation.metrics import LONG_SECONDS, Histogram, Kind, Metrics, error_type
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

    @contextmanager
    def run(self, thread_id: str | None = None) -> "Iterator[RunMeasure]":
        """Around the work of one run, of the conversation `thread_id` if it has one."""
        with timed_span(self.seconds, (), _OPERATION, AGENT) as timed:
            self.open += 1
            try:
                if (span := timed.span).recording:
                    span.set(Attribute.OPERATION, _OPERATION)
                    span.set(Attribute.AGENT_NAME, AGENT)
                    span.set_for_trace(Attribute.CONVERSATION, thread_id)
                yield RunMeasure(self.first_token, timed)
            finally:
                self.open -= 1


@dataclass(eq=False, slots=True)
class RunMeasure:
    """One run. Its first piece of text or thinking is counted in `first_token`."""

    first_token: Histogram
    timed: timed_span
    waits: bool = True

    def record(self, event: Any) -> None:  # noqa: ANN401 - an event of the graph, or the end
        """Records an event of the run, or its end."""
        if self.waits and isinstance(event, dict) and event.get("type") in _TOKENS:
            self.waits = False
            self.first_token.observe(self.timed.elapsed)
        elif (span := self.timed.span).recording and (usage := getattr(event, "usage", None)) is not None:
            span.set(Attribute.INPUT_TOKENS, usage.input_tokens)
            span.set(Attribute.OUTPUT_TOKENS, usage.output_tokens)

    def failed(self, error: BaseException) -> None:
        """The run ends with `error`, also `CancelledError`, which is not raised through the block."""
        self.timed.fail(error_type(error))
