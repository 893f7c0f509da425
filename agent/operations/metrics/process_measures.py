"""Metrics of a process that serves requests."""

import os
import resource
from pathlib import Path
from typing import Final

from identity.observation.metrics import SHORT_SECONDS, Kind, Metrics

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STATM: Final = Path("/proc/self/statm")


class ProcessMeasures:
    """The lag of its event loop, its failed exports, its processor time and its memory."""

    def __init__(self, metrics: Metrics) -> None:
        self.loop_lag: Final = metrics.histogram(
            "idaas_agent.event_loop.lag",
            "By how much timers of the event loop are late, measured four times a second",
            bounds=SHORT_SECONDS,
        )
        self.export_failures: Final = metrics.counter(
            "idaas_agent.telemetry.export.failures",
            "Failed exports over OTLP, by signal",
            unit="{failure}",
            labels=("idaas_agent.telemetry.signal",),
            zeros=[("traces",), ("metrics",)],
        )
        metrics.observed(
            Kind.GAUGE,
            "idaas_agent.processes",
            "Processes that serve requests",
            unit="{process}",
            read=lambda: 1,
        )
        metrics.observed(
            Kind.COUNTER,
            "process.cpu.time",
            "Processor time of the processes that serve requests",
            unit="s",
            read=lambda: sum(os.times()[:2]),
        )
        metrics.observed(
            Kind.GAUGE,
            "process.memory.usage",
            "Resident memory of the processes that serve requests",
            unit="By",
            read=_resident_bytes,
        )


def _resident_bytes() -> float:
    """Where the system has no /proc, the largest so far."""
    try:
        return int(_STATM.read_text("ascii").split()[1]) * _PAGE
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
