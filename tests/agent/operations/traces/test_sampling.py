"""Samplers decide as those of OpenTelemetry's SDK."""

import random

import pytest
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased
from opentelemetry.trace import SpanKind

from agent.operations.traces.tracer import sampler
from identity.observation.traceparent import TraceContext

NUMBERS = random.Random(7)  # noqa: S311 - no secret
IDS = [NUMBERS.getrandbits(128) for _ in range(500)]
SAMPLED, UNSAMPLED = TraceContext(1, 1, sampled=True), TraceContext(1, 1, sampled=False)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_ratio_records_the_traces_that_the_sdk_records(ratio: float) -> None:
    own, sdk = sampler("traceidratio", ratio), TraceIdRatioBased(ratio)
    expected = [sdk.should_sample(None, i, "", SpanKind.SERVER).decision.is_sampled() for i in IDS]
    assert [own(trace_id, None) for trace_id in IDS] == expected


@pytest.mark.parametrize(
    ("name", "alone", "of_sampled", "of_unsampled"),
    [
        ("always_on", True, True, True),
        ("always_off", False, False, False),
        ("parentbased_always_on", True, True, False),
        ("parentbased_always_off", False, True, False),
        ("parentbased_traceidratio", False, True, False),
        ("traceidratio", False, False, False),
    ],
)
def test_parent_counts_for_samplers_that_say_so(name, alone, of_sampled, of_unsampled):
    decide = sampler(name, 0.0)
    assert [decide(7, parent) for parent in (None, SAMPLED, UNSAMPLED)] == [alone, of_sampled, of_unsampled]
