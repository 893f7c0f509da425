"""The variables of the audit log, the log, metrics and traces."""

import pytest

from agent.settings.settings import read_settings
from agent.settings.variable_names import misspelt_variables
from tests.agent.settings.conftest import SECRET, faults


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"AUDIT_LOG_FILE": "/nowhere/audit.jsonl"}, "AUDIT_LOG_FILE must name a file"),
        ({"AUDIT_KEY_FILE": "/nowhere"}, "AUDIT_KEY_FILE must name a readable file with one key"),
        ({"AUDIT_KEY_FILE": "/dev/null"}, "AUDIT_KEY_FILE must name a readable file with one key"),
        ({"AUDIT_LOG_FILE": "/"}, "AUDIT_LOG_FILE must name a file"),
        ({"AUDIT_REQUIRED": "true"}, "AUDIT_LOG_FILE must be set"),
        ({"AUDIT_REQUIRED": "perhaps", "AUDIT_LOG_FILE": "audit.jsonl"}, "AUDIT_REQUIRED "),
    ],
)
def test_unusable_audit_log_is_a_fault(environment, variables, fault):
    [found] = faults(environment | variables).faults
    assert found.startswith(fault)


def test_metrics_are_not_on_the_agents_own_port(environment: dict[str, str]) -> None:
    assert read_settings(environment | {"METRICS_PORT": "9464"}).metrics_port == 9464
    assert read_settings(environment | {"METRICS_PORT": "0", "AGENT_PORT": "0"}).metrics_port == 0
    for ports in ({"METRICS_PORT": "9002"}, {"METRICS_PORT": "9464", "AGENT_PORT": "9464"}):
        (fault,) = faults(environment | ports).faults
        assert fault.startswith("METRICS_PORT must not be the agent's own port")


def test_level_and_format_of_the_log_may_be_written_in_capitals(environment: dict[str, str]) -> None:
    settings = read_settings(environment | {"LOG_LEVEL": "WARNING", "LOG_FORMAT": "TEXT"})
    assert (settings.log_level, settings.log_format) == ("warning", "text")
    assert faults(environment | {"LOG_LEVEL": "loud"}).faults


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"OTEL_TRACES_EXPORTER": "jaeger"}, "OTEL_TRACES_EXPORTER must be 'none' or 'otlp', found 'jaeger'"),
        ({"OTEL_TRACES_SAMPLER": "xray"}, "OTEL_TRACES_SAMPLER must be 'always_on'"),
        ({"OTEL_TRACES_SAMPLER_ARG": "1.5"}, "OTEL_TRACES_SAMPLER_ARG must be at most 1, found '1.5'"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL must be 'http/protobuf'"),
        ({"OTEL_METRICS_EXPORTER": "prometheus"}, "OTEL_METRICS_EXPORTER must"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT must be an http"),
        ({"TRACEPARENT_RECEIVERS": "services,all"}, "TRACEPARENT_RECEIVERS must list some of services, mcp"),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS": f"api-key={SECRET}",
            },
            "OTEL_EXPORTER_OTLP_ENDPOINT must be https, or http to a loopback address, to receive OTEL",
        ),
    ],
)
def test_faults_of_opentelemetrys_variables_name_them(environment, variables, fault):
    found = faults(environment | variables).faults
    assert any(each.startswith(fault) for each in found), found
    assert SECRET not in repr(found)


def test_opentelemetrys_variables_are_read_as_elsewhere(environment: dict[str, str]) -> None:
    given = {
        "OTEL_TRACES_EXPORTER": "OTLP",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
        "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={SECRET}",
        "OTEL_PROPAGATORS": "tracecontext,baggage",
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
        "TRACEPARENT_RECEIVERS": "MCP, model",
    }
    settings = read_settings(environment | given)
    assert settings.otel_traces_exporter == "otlp"
    assert settings.otel_traces_sampler_arg == 0.1
    assert settings.traceparent_receivers == ("mcp", "model")
    assert SECRET not in repr(settings)
    assert misspelt_variables(given | {"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1"}) == []
