"""The metrics of several processes as one: workers report to their parent, which adds them up.

The counts of a worker that has ended stay in the sums: after an orderly end all of them, and of a killed
worker its last report, a few seconds before. So no sum ever decreases, which Prometheus would take for a
restart.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Final, cast

from agent.operations.metrics.publishing import MetricsOutlet
from identity.observation.metrics import Kind, Labels, Metric, Reading, Value

_LOG: Final = logging.getLogger("idaas_agent.metrics")
_REPORT: Final = b"report"
_ANSWER_SECONDS: Final = 1.0
_ROUND_SECONDS: Final = 5.0


class WorkerReports:
    """In a worker: a `MetricsOutlet` that reports over `link` whenever the parent requests it."""

    def __init__(self, link: Connection) -> None:
        self._link = link
        self._read: Callable[[], Reading] | None = None
        self._sending = threading.Lock()

    def start(self, read: Callable[[], Reading]) -> None:
        self._read = read
        threading.Thread(target=self._respond, name="metrics", daemon=True).start()

    def stop(self) -> None:
        """Reports once more: the counts of the last seconds."""
        self._report()

    def _respond(self) -> None:
        try:
            while self._link.recv_bytes():
                self._report()
        except (EOFError, OSError):  # the parent has ended
            return

    def _report(self) -> None:
        if self._read is not None:
            with suppress(OSError), self._sending:
                self._link.send(self._read())


@dataclass(slots=True)
class _Worker:
    link: Connection
    last: Reading = field(default_factory=dict)
    awaited: bool = False
    """Whether a requested report is still to come. While it is, no other is requested: of a process that
    hangs, the pipe would fill."""
    ended: bool = False

    def request(self) -> None:
        """Requests a report, after it has taken what came too late for an earlier round."""
        self.receive(0)
        if not self.awaited:
            with suppress(OSError):  # it has ended, which `receive` finds out
                self.link.send_bytes(_REPORT)
                self.awaited = True

    def receive(self, until: float) -> None:
        """Takes its reports; an awaited one, if it arrives until then."""
        try:
            while self.link.poll(self._seconds_until(until)):
                self.last = self.link.recv()
                self.awaited = False
        except (EOFError, OSError):
            self.ended = True

    def _seconds_until(self, until: float) -> float:
        """How long an awaited report may take. Others are here, or not taken."""
        return max(0.0, until - time.monotonic()) if self.awaited else 0


class WorkersMetrics:
    """In the parent: opens a link for each worker, and adds up their reports."""

    def __init__(self, *, seconds: float = _ANSWER_SECONDS) -> None:
        """`seconds` is how long workers may take to report; else their last reports count."""
        self._seconds = seconds
        self._workers: list[_Worker] = []
        self._departed: Reading = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()

    def open(self) -> Connection:
        """The link of the next worker: its end of it."""
        parents, workers = Pipe()
        with self._lock:
            self._workers.append(_Worker(parents))
        return workers

    def start(self) -> None:
        """Requests a report every five seconds, so that little is lost if a worker is killed."""
        threading.Thread(target=self._requests, name="worker metrics", daemon=True).start()

    def stop(self) -> None:
        """Ends the requests."""
        self._stopped.set()

    def read(self) -> Reading:
        """The sums of all workers, now."""
        with self._lock:
            for worker in self._workers:
                worker.request()
            until = time.monotonic() + self._seconds
            for worker in self._workers:
                worker.receive(until)
            ended = [worker for worker in self._workers if worker.ended]
            for worker in ended:
                self._workers.remove(worker)
                worker.link.close()
                lasting = {name: value for name, value in worker.last.items() if name.kind is not Kind.GAUGE}
                self._departed = _merged([self._departed, lasting])
            return _merged([self._departed, *(worker.last for worker in self._workers)])

    def _requests(self) -> None:
        while not self._stopped.wait(_ROUND_SECONDS):
            try:
                self.read()
            except Exception as error:  # noqa: BLE001 - the thread must outlive a malformed report
                _LOG.error("the metrics of the workers could not be read: %s", type(error).__name__)


@contextmanager
def published_sums(outlet: MetricsOutlet) -> Iterator[Callable[[], Connection]]:
    """In the parent: `outlet` publishes the sums while the block runs. Yields what opens a worker's link."""
    metrics = WorkersMetrics()
    outlet.start(metrics.read)
    metrics.start()
    try:
        yield metrics.open
    finally:
        outlet.stop()
        metrics.stop()


def _merged(readings: Sequence[Reading]) -> Reading:
    """Counts and sums are added; of a gauge that is the same in all processes, the largest is taken."""
    joined: dict[Metric, dict[Labels, Value]] = {}
    for reading in readings:
        for metric, values in reading.items():
            sums = joined.setdefault(metric, {})
            for labels, value in values.items():
                before = sums.get(labels)
                if before is None:
                    sums[labels] = value
                elif metric.shared:
                    sums[labels] = max(before, value)
                else:
                    sums[labels] = _added(before, value)
    return {**joined}


def _added(one: Value, other: Value) -> Value:
    if isinstance(one, tuple):
        return tuple(a + b for a, b in zip(one, cast(tuple[float, ...], other), strict=True))
    return one + cast(float, other)
