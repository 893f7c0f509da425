"""Traces and metrics: what they cost a chat, and a place where a span could begin while there is none."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from benchmarks.load import PATH, Endpoint, chat, compare
from benchmarks.micro import RowCases, Timed, micro, timed
from benchmarks.processes import row_server
from benchmarks.report import Figure, at_least, at_most
from identity.observation.attribute import Attribute
from identity.observation.metrics import Histogram
from identity.observation.span import timed_span

if TYPE_CHECKING:  # the processes that measure a case need no servers
    from benchmarks.bench import Bench

_BODIES = {
    "chat: ": chat(),
    "stream: ": chat(stream=True),
    "chat with a tool: ": chat("Call my enterprise service."),
}


def _no_span() -> Timed:
    seconds = Histogram()

    def work() -> None:
        with timed_span(seconds, ("maps_weather",), "execute_tool", "maps_weather") as step:
            step.span.set(Attribute.TOOL, "maps_weather")

    return timed(work)


def _count() -> Timed:
    seconds = Histogram()
    return timed(lambda: seconds.observe(0.02, "maps_weather", "amap", ""))


CASES: RowCases = {"tracing": {"no span": _no_span, "count": _count}}


def tracing(bench: "Bench") -> Iterable[Figure]:
    """Requests/s with traces of a tenth of the requests and with metrics, beside the agent without both."""
    token = bench.access_token()
    plain = bench.agent("Machine")
    with row_server("collector", bench.start) as collector:
        traced = bench.agent(
            "Machine",
            METRICS_PORT="0",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_TRACES_SAMPLER="traceidratio",
            OTEL_TRACES_SAMPLER_ARG="0.1",
        )
        for label, body in _BODIES.items():
            yield from compare(
                bench.plan,
                Endpoint(traced, PATH, body, [token]),
                Endpoint(plain, PATH, body, [token]),
                name="without traces and metrics",
                target=at_least(0.95),
                label=label,
            )
        bench.stop(traced)
    times = micro("tracing", bench.plan)
    yield Figure("a measured span that is not recorded", "µs", times["no span"], target=at_most(1.0))
    yield Figure("a measured call", "µs", times["count"], target=at_most(1.0))
