"""Traces and metrics reach a collector over OTLP, as the standard variables say."""

import asyncio
import gzip
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import Response

from agent.operations.metrics.agent_measures import AgentMeasures
from agent.operations.metrics.otlp_metrics import OtlpMetrics, otlp_outlets
from agent.operations.otlp import exporter_options
from agent.settings.settings import Settings, read_settings
from tests.agent.operations.metrics.test_prometheus_text import filled
from tests.recorder import Recorder
from tests.running_agent import GREETING


class Collector:
    """A collector that keeps what it receives, by its path."""

    def __init__(self, status: int = 200) -> None:
        self.received: dict[str, list[bytes]] = {}
        self.headers: list[dict[str, str]] = []
        self.status = status
        self.app = Recorder(self._respond)

    async def _respond(self, request: Request) -> Response:
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        self.received.setdefault(request.url.path, []).append(body)
        self.headers.append(dict(request.headers))
        return Response(status_code=self.status, media_type="application/x-protobuf")

    def spans(self) -> Iterator[Any]:
        for body in self.received.get("/v1/traces", ()):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                for scope in resource.scope_spans:
                    yield from scope.spans

    def metrics(self) -> dict[str, Any]:
        (body,) = self.received["/v1/metrics"]
        (resource,) = ExportMetricsServiceRequest.FromString(body).resource_metrics
        (scope,) = resource.scope_metrics
        return {metric.name: metric for metric in scope.metrics}


async def test_spans_arrive_when_the_agent_stops_at_the_latest(start_agent, sandbox, serve):
    collector = Collector()
    endpoint = await serve(collector.app)
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20key"}
    agent = await start_agent(OTEL_TRACES_EXPORTER="otlp", **variables)
    await agent.ask(GREETING, sandbox.access_token("alice"))
    assert agent.composed.tracer is not None
    await asyncio.to_thread(agent.composed.tracer.stop)
    assert {"invoke_agent idaas-agent", "POST /openai/v1/chat/completions"} <= {
        s.name for s in collector.spans()
    }
    (body, *_) = collector.received["/v1/traces"]
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    shown = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
    assert shown["service.name"] == "idaas-agent"
    assert shown["service.instance.id"]
    assert collector.headers[0]["api-key"] == "a key"


async def test_failed_exports_are_counted_and_no_run_notices(start_agent, sandbox, serve):
    collector = Collector(status=400)
    agent = await start_agent(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{await serve(collector.app)}/own")
    assert (await agent.ask(GREETING, sandbox.access_token("alice"))).status == 200
    assert agent.composed.tracer is not None
    await asyncio.to_thread(agent.composed.tracer.stop)
    assert set(collector.received) == {"/own"}
    failures = agent.composed.measures.process.export_failures.values
    assert failures == {("traces",): 1, ("metrics",): 0}


async def exported(measures: AgentMeasures, collector: Collector, serve: Any) -> list[str]:
    """Exports once; what failed."""
    failures: list[str] = []
    options = {"endpoint": f"{await serve(collector.app)}/v1/metrics", "headers": {"api-key": "a"}}
    outlet = OtlpMetrics(options, 3600, lambda: failures.append("metrics"))
    outlet.start(measures.metrics.read)
    await asyncio.to_thread(outlet.stop)
    return failures


async def test_every_metric_arrives_with_its_kind_unit_and_attributes(serve: Any) -> None:
    collector = Collector()
    assert await exported(filled(), collector, serve) == []
    found = collector.metrics()
    kinds = {"counter": "sum", "gauge": "gauge", "histogram": "histogram"}
    for metric in AgentMeasures().metrics.declared():
        point = found[metric.name]
        assert (point.unit, point.WhichOneof("data")) == (metric.unit, kinds[metric.kind])
        data = getattr(point, kinds[metric.kind])
        for value in data.data_points:
            assert {attribute.key for attribute in value.attributes} <= set(metric.labels)
    assert found["idaas_agent.audit.failures"].sum.is_monotonic
    requests = found["http.server.request.duration"].histogram.data_points
    assert sorted((point.count, round(point.sum, 2)) for point in requests) == [(1, 0.02), (1, 7.0)]
    assert all(len(point.bucket_counts) == len(point.explicit_bounds) + 1 for point in requests)


async def test_collector_that_refuses_metrics_is_reported(serve, caplog):
    assert await exported(AgentMeasures(), Collector(status=403), serve) == ["metrics"]
    assert [record.name for record in caplog.records if record.name.startswith("idaas")] == [
        "idaas_agent.telemetry"
    ]


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        ({}, None, None),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces", None),
        ({"OTEL_METRICS_EXPORTER": "otlp"}, None, "http://localhost:4318/v1/metrics"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/"},
            "http://collector:4318/v1/traces",
            "http://collector:4318/v1/metrics",
        ),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://x.example/t"}, "https://x.example/t", None),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_METRICS_EXPORTER": "none"},
            "http://collector:4318/v1/traces",
            None,
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, None, None),
    ],
)
def test_signals_are_exported_where_the_standard_variables_say(sandbox, variables, traces, metrics):
    settings: Settings = read_settings(sandbox.environment | variables)
    found = [exporter_options(settings, "traces"), exporter_options(settings, "metrics")]
    assert [each and each["endpoint"] for each in found] == [traces, metrics]
    assert len(otlp_outlets(settings, lambda: None)) == bool(metrics)
