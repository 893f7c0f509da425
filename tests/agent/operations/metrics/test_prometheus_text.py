"""Readings in the formats of Prometheus, as its own parsers read them."""

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from agent.operations.metrics.agent_measures import AgentMeasures
from agent.operations.metrics.prometheus_text import (
    prometheus_labels,
    prometheus_name,
    prometheus_text,
    sample_name,
)
from http1.transport import PoolUse
from identity.observation.metrics import Kind

METRICS = AgentMeasures().metrics.declared()
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def filled() -> AgentMeasures:
    """Measures with a value of every metric."""
    measures = AgentMeasures()
    measures.requests.ended("GET", "/openai/v1/models", 200, None, 0.02)
    measures.requests.ended("POST", "/openai/v1/chat/completions", 429, "rate_limited", 7.0)
    with measures.runs.run() as run:
        run.record({"type": "content", "text": "Sunny"})
    calls, of_model = measures.calls, ("chat", "openai", "qwen-plus")
    calls.inference.observe(0.1, *of_model, "")
    calls.first_chunk.observe(0.1, *of_model)
    for tokens in (calls.input_tokens, calls.output_tokens, calls.reasoning_tokens):
        tokens.add(*of_model, amount=7)
    calls.tools.observe(0.1, "execute_tool", 'a"b\\c\n', "amap", "")
    measures.credentials.requests.observe(0.1, "token_exchange", "")
    measures.revocations.applied.add("user")
    calls.observed.add("amap", "forbid")
    measures.pools.uses["idaas"] = PoolUse()
    measures.process.loop_lag.observe(0.0001)
    measures.approvals.number = 3
    return measures


def samples(text: str, parse=text_string_to_metric_families) -> dict[tuple[str, tuple[str, ...]], float]:
    """The values by the name and the values of the labels, in the order of the labels' names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parse(text)
        for sample in family.samples
    }


@pytest.mark.parametrize(
    ("accept", "parse"),
    [("", text_string_to_metric_families), (OPENMETRICS, openmetrics.text_string_to_metric_families)],
    ids=["text", "openmetrics"],
)
def test_every_metric_is_read_by_the_parser_of_the_format(accept: str, parse) -> None:
    content, media_type = prometheus_text(filled().metrics.read(), accept)
    assert media_type.startswith("application/openmetrics-text" if accept else "text/plain")
    found = {family.name.removesuffix("_total"): family for family in parse(content.decode())}
    for metric in METRICS:
        family = found[prometheus_name(metric)]
        assert family.type == metric.kind.value
        assert family.samples, metric.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(prometheus_labels(metric))


def test_names_follow_the_rules_of_opentelemetry_for_prometheus() -> None:
    names = {metric.name: prometheus_name(metric) for metric in METRICS}
    assert names["http.server.request.duration"] == "http_server_request_duration_seconds"
    assert names["process.memory.usage"] == "process_memory_usage_bytes"
    assert names["http.server.active_requests"] == "http_server_active_requests"


def test_buckets_are_cumulative_and_end_with_the_count() -> None:
    measures = AgentMeasures()
    for seconds in (0.001, 0.02, 0.02, 999.0):
        measures.requests.ended("GET", "/ready", 200, None, seconds)
    found = samples(prometheus_text(measures.metrics.read(), "")[0].decode())
    name, labels = "http_server_request_duration_seconds", ("GET", "200", "/ready")
    bounds = {key[1][-1]: value for key, value in found.items() if key[0] == f"{name}_bucket"}
    assert (bounds["0.005"], bounds["0.01"], bounds["0.025"], bounds["180.0"], bounds["+Inf"]) == (
        1,
        1,
        3,
        3,
        4,
    )
    assert found[f"{name}_count", labels] == 4
    assert found[f"{name}_sum", labels] == pytest.approx(999.041)


def test_text_of_others_in_a_label_is_escaped() -> None:
    found = samples(prometheus_text(filled().metrics.read(), "")[0].decode())
    assert ("gen_ai_execute_tool_duration_seconds_count", ("", "execute_tool", 'a"b\\c\n', "amap")) in found


def test_the_agent_is_named_as_the_target() -> None:
    content, _ = prometheus_text({}, "")
    assert b'target_info{service_name="idaas-agent"} 1.0' in content


def test_counter_without_labels_is_zero_from_the_start() -> None:
    """An alert on an increase sees the first one."""
    found = samples(prometheus_text(AgentMeasures().metrics.read(), "")[0].decode())
    for metric in METRICS:
        if metric.kind is Kind.COUNTER and not metric.labels:
            assert (sample_name(metric), ()) in found, metric.name
