"""Metrics over OTLP (HTTP, protobuf), by OpenTelemetry's exporter."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from agent.operations.metrics.publishing import MetricsOutlet
from agent.operations.otlp import ExportFailures, agent_resource, exporter_options
from agent.settings.settings import Settings
from identity.observation.metrics import Reading

_STOP_SECONDS: Final = 3.0


def otlp_outlets(settings: Settings, failed: Callable[[], None]) -> Sequence[MetricsOutlet]:
    """The outlet of the settings, if they have a collector for metrics. `failed` is called in a thread."""
    options = exporter_options(settings, "metrics")
    seconds = settings.otel_metric_export_interval / 1000
    return [] if options is None else [OtlpMetrics(options, seconds, failed)]


class OtlpMetrics:
    """A `MetricsOutlet`: exports every `seconds`, and at the end. Each process exports its own numbers.

    A failure is counted by `failed`, and logged once a minute without its text. The next export has what it
    missed, because the values are totals.
    """

    def __init__(self, options: Mapping[str, Any], seconds: float, failed: Callable[[], None]) -> None:
        self._options = options
        self._seconds = seconds
        self._failures = ExportFailures("metrics", failed)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, read: Callable[[], Reading]) -> None:
        self._thread = threading.Thread(target=self._export, args=(read,), name="OTLP metrics", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See `MetricsOutlet`. A collector that is away delays it by three seconds."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def _export(self, read: Callable[[], Reading]) -> None:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        from agent.operations.metrics.otlp_points import metrics_data

        exporter = OTLPMetricExporter(**self._options)
        since = time.time_ns()
        resource = agent_resource()
        while True:
            last = self._stopping.wait(self._seconds)
            self._failures.succeeds(
                lambda: exporter.export(metrics_data(read(), resource, since=since, now=time.time_ns()))
            )
            if last:
                exporter.shutdown()
                return
