"""Metrics over OTLP (HTTP, protobuf), by OpenTelemetry's exporter."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from agent.operations.metrics.publishing import MetricsOutlet
from agent.operations.otlp import ExportFailures, OtlpSignal, Signal, agent_resource, otlp_signal
from agent.settings.settings import Settings
from identity.observation.metrics import Reading

_STOP_SECONDS: Final = 3.0


def otlp_outlets(settings: Settings, failed: Callable[[], None]) -> Sequence[MetricsOutlet]:
    """The outlet of the settings, if they have a collector for metrics. `failed` is called in a thread."""
    signal = otlp_signal(settings, Signal.METRICS)
    seconds = settings.otel_metric_export_interval / 1000
    return [] if signal is None else [OtlpMetrics(signal, seconds, failed)]


class OtlpMetrics:
    """A `MetricsOutlet`: exports every `seconds`, and at the end. Each process exports its own numbers.

    A failure is counted by `failed`, and logged once a minute without its text. The next export has what it
    missed, because the values are totals.
    """

    def __init__(self, signal: OtlpSignal, seconds: float, failed: Callable[[], None]) -> None:
        self._signal = signal
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
        from opentelemetry.sdk.metrics.export import MetricExportResult

        from agent.operations.metrics.otlp_points import metrics_data

        exporter = OTLPMetricExporter(self._signal.endpoint, headers=self._signal.parsed_headers())
        since, resource = time.time_ns(), agent_resource()
        while True:
            last = self._stopping.wait(self._seconds)
            try:
                data = metrics_data(read(), resource, since=since, now=time.time_ns())
                exported = exporter.export(data) is MetricExportResult.SUCCESS
            except Exception:  # noqa: BLE001 - an exporter raises anything, and its text may contain a header
                exported = False
            if not exported:
                self._failures.report()
            if last:
                exporter.shutdown()
                return
