"""What is counted of runs."""

import time
from types import TracebackType
from typing import Any, Self

from identity.measures import LONG_SECONDS, Distribution
from identity.tracing.error_type import SUCCESS, error_type

_TOKENS = frozenset({"content", "reasoning"})


class RunMeasures:
    """Runs of one agent, on every surface."""

    def __init__(self) -> None:
        self.open = 0
        """Runs that go on now."""
        self.seconds = Distribution(LONG_SECONDS)
        """From the start of a run to its end, by error."""
        self.first_token = Distribution(LONG_SECONDS)
        """From the start of a run to the first piece of text or thinking. Only of runs that stream."""

    def run(self) -> "RunMeasure":
        """A context manager around the work of one run."""
        return RunMeasure(self)


class RunMeasure:
    """One run."""

    __slots__ = ("_began", "_failure", "_measures", "_waits")

    def __init__(self, measures: RunMeasures) -> None:
        self._measures = measures
        self._began = time.perf_counter()
        self._waits = True
        self._failure = SUCCESS

    def saw(self, event: Any) -> None:  # noqa: ANN401 - an event of the graph, or the end
        """The run produced `event`."""
        if self._waits and isinstance(event, dict) and event.get("type") in _TOKENS:
            self._waits = False
            self._measures.first_token.observe(time.perf_counter() - self._began)

    def failed(self, error: BaseException) -> None:
        """The run ends with `error`, which is not raised through the block."""
        self._failure = error_type(error)

    def __enter__(self) -> Self:
        self._measures.open += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._measures.open -= 1
        failure = self._failure if error is None else error_type(error)
        self._measures.seconds.observe(time.perf_counter() - self._began, failure)
