"""Settings: read from a mapping, every fault at once and by name."""

import json
import sys
from pathlib import Path

import pytest

from agent.error_codes import AgentCode
from agent.settings.variable_names import misspelt_variables
from agent.settings.variables import read_settings, variables
from agent.telemetry.otlp_signal import Signal, otlp_signal
from identity.access_identity import AccessIdentity
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.secret import Secret

SECRET = "CSnever-shown"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "client-config.json"
    path.write_text(
        json.dumps(
            {
                "idaasInstanceId": "idaas_1",
                "clientId": "app_agent",
                "issuer": "https://idaas.example/api/v2/iauths_system/oauth2",
                "tokenEndpoint": "https://idaas.example/api/v2/iauths_system/oauth2/token",
                "scope": "urn:cloud:idaas:pam|.all",
                "developerApiEndpoint": "eiam-developerapi.example",
                "authnConfiguration": {
                    "identityType": "CLIENT",
                    "authnMethod": "CLIENT_SECRET_POST",
                    "clientSecretEnvVarName": "IDAAS_CLIENT_SECRET",
                },
            }
        )
    )
    return {
        "CLOUD_IDAAS_CONFIG_PATH": str(path),
        "IDAAS_CLIENT_SECRET": SECRET,
        "AGENT_AUDIENCE": "https://agent.example",
        "AGENT_SCOPE": "agent.access",
        "LLM_API_KEY_IDENTIFIER": "llm",
        "EXTERNAL_SERVER_API_KEY_IDENTIFIER": "amap",
        "ENTERPRISE_SERVICE_SCOPE": "https://svc.example|svc.read",
        "ENTERPRISE_SERVICE_URL": "https://svc.example/",
    }


def faults(environment: dict[str, str]) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(environment)
    return caught.value


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        ({"AUDIT_LOG_FILE": "/nowhere/audit.jsonl"}, "AUDIT_LOG_FILE must name a file"),
        ({"AUDIT_SYSLOG_URL": "http://logs.example"}, "AUDIT_SYSLOG_URL must have the form udp://host:514"),
        ({"AUDIT_KEY_FILE": "/nowhere"}, "AUDIT_KEY_FILE must name a readable file with one key"),
        ({"AUDIT_KEY_FILE": "/dev/null"}, "AUDIT_KEY_FILE must name a readable file with one key"),
        ({"AUDIT_LOG_FILE": "/"}, "AUDIT_LOG_FILE must name a file"),
        ({"AUDIT_REQUIRED": "true"}, "AUDIT_LOG_FILE must be set"),
        ({"AUDIT_REQUIRED": "perhaps", "AUDIT_LOG_FILE": "audit.jsonl"}, "AUDIT_REQUIRED "),
    ],
)
def test_unusable_audit_log_is_a_fault(
    environment: dict[str, str], variables: dict[str, str], fault: str
) -> None:
    [found] = faults(environment | variables).faults
    assert found.startswith(fault)


def test_variables_of_the_tutorial_are_sufficient(environment: dict[str, str]) -> None:
    settings = read_settings(environment)
    assert settings.access_identity is AccessIdentity.MACHINE
    assert settings.llm_base_url == "https://dashscope.aliyuncs.com/compatible-mode/v1"
    assert settings.external_server_url == "https://dashscope.aliyuncs.com/api/v1/mcps/amap-maps/mcp"
    assert settings.jwks_url == "https://idaas.example/api/v2/iauths_system/oauth2/jwks"
    assert settings.agent_port == 9002


def test_all_missing_variables_are_named_at_once() -> None:
    error = faults({"CLOUD_IDAAS_CONFIG_PATH": "/nowhere/config.json"})
    assert error.code is AgentCode.SETTINGS_INVALID
    for name in (
        "AGENT_AUDIENCE",
        "AGENT_SCOPE",
        "LLM_API_KEY_IDENTIFIER",
        "EXTERNAL_SERVER_API_KEY_IDENTIFIER",
        "ENTERPRISE_SERVICE_SCOPE",
        "ENTERPRISE_SERVICE_URL",
        "/nowhere/config.json",
    ):
        assert any(name in fault for fault in error.faults), name


def test_fault_of_the_sdk_configuration_alone_has_its_own_code(environment: dict[str, str]) -> None:
    Path(environment["CLOUD_IDAAS_CONFIG_PATH"]).write_text("{}")
    error = faults(environment)
    assert error.code is IdentityCode.SDK_CONFIG_UNREADABLE
    assert any("clientId" in fault for fault in error.faults)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_BASE_URL", "http://models.example/v1"),
        ("ENTERPRISE_SERVICE_URL", "ftp://svc.example"),
        ("EXTERNAL_SERVER_URL", "https://user:pass@mcp.example"),
        ("JWKS_ENDPOINT", "idaas.example/jwks"),
        ("ACCESS_IDENTITY", "human"),
        ("ENTERPRISE_SERVICE_SCOPE", "svc.read"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CORS_ALLOWED_ORIGINS", "http://localhost:9001/"),
        ("AGENT_PORT", "90020"),
        ("RUN_TIMEOUT_SECONDS", "nan"),
        ("MAX_BODY_BYTES", "0"),
        ("SSL_CERT_FILE", "/nowhere/bundle.pem"),
        ("LEAVE_SERVICE_URL", "https://leave.example"),
        ("LLM_ENABLE_THINKING", "perhaps"),
        ("AGENT_AUDIENCE", "two words"),
    ],
)
def test_variable_with_an_unusable_value_is_named(environment: dict[str, str], name: str, value: str) -> None:
    error = faults(environment | {name: value})
    assert error.code is AgentCode.SETTINGS_INVALID
    assert [fault for fault in error.faults if name in fault]
    assert len(error.faults) == 1


@pytest.mark.parametrize(
    "name", ["AGENT_AUDIENCE", "CLOUD_IDAAS_CONFIG_PATH", "IDAAS_CLIENT_SECRET", "OTHER"]
)
def test_value_with_a_nul_character_is_named_without_the_value(
    environment: dict[str, str], name: str
) -> None:
    error = faults(environment | {name: "canary\0"})
    assert error.code is AgentCode.SETTINGS_INVALID
    assert error.faults == (f"{name} must not contain a NUL character",)


PLAIN = {
    "AGENT_PORT": ("abc", "AGENT_PORT must be a whole number, found 'abc'"),
    "MAX_TOOL_ROUNDS": ("1.5", "MAX_TOOL_ROUNDS must be a whole number, found '1.5'"),
    "MAX_RUNS": ("-1", "MAX_RUNS must be at least 0, found '-1'"),
    "MAX_BODY_BYTES": ("0", "MAX_BODY_BYTES must be more than 0, found '0'"),
    "MAX_HEADER_BYTES": ("70000", "MAX_HEADER_BYTES must be at most 65536, found '70000'"),
    "RUN_TIMEOUT_SECONDS": ("soon", "RUN_TIMEOUT_SECONDS must be a number, found 'soon'"),
    "MODEL_TIMEOUT_SECONDS": ("inf", "MODEL_TIMEOUT_SECONDS must be a number, found 'inf'"),
    "LLM_ENABLE_THINKING": ("perhaps", "LLM_ENABLE_THINKING must be true or false, found 'perhaps'"),
    "ACCESS_IDENTITY": ("human", "ACCESS_IDENTITY must be 'Machine' or 'Human', found 'human'"),
    "LLM_MODEL": ("two words", "LLM_MODEL must be one word, without spaces"),
}


@pytest.mark.parametrize("name", PLAIN)
def test_fault_contains_the_expected_and_the_found_value(environment: dict[str, str], name: str) -> None:
    value, expected_text = PLAIN[name]
    assert faults(environment | {name: value}).faults == (expected_text,)


def test_all_faults_are_reported_at_once(environment: dict[str, str]) -> None:
    wrong = {name: value for name, (value, _) in PLAIN.items()}
    wrong |= {
        "LEAVE_SERVICE_URL": "https://leave.example",
        "AUDIT_REQUIRED": "true",
        "IDAAS_CLIENT_SECRET": "",
    }
    del environment["AGENT_SCOPE"]
    found = faults(environment | wrong).faults
    assert {expected_text for _, expected_text in PLAIN.values()} < set(found)
    for name in ("LEAVE_SERVICE_SCOPE", "AUDIT_LOG_FILE", "AGENT_SCOPE", "IDAAS_CLIENT_SECRET"):
        assert [fault for fault in found if name in fault], name


def test_faults_are_short_and_without_texts_of_the_library(environment: dict[str, str]) -> None:
    for name in variables():
        for value in ("\x07", "-", "9" * 5000, "https://", "a|b|c", "[", " x y "):
            for fault in getattr(attempt(environment | {name: value}), "faults", ()):
                assert "nput should" not in fault, fault
                assert "unable to" not in fault, fault
                assert name == "CLOUD_IDAAS_CONFIG_PATH" or len(fault) < 200, fault


def attempt(environment: dict[str, str]) -> object:
    try:
        return read_settings(environment)
    except ConfigurationError as error:
        return error


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize(
    "name", [name for name in variables() if name.endswith(("_URL", "_ENDPOINT", "_SCOPE", "_IDENTIFIER"))]
)
def test_fault_contains_no_value_that_may_contain_a_password(environment: dict[str, str], name: str) -> None:
    for value in (f"http://user:{SECRET}@host.example", f"{SECRET} {SECRET}", f"https://x/#{SECRET}"):
        if isinstance(error := attempt(environment | {name: value}), ConfigurationError):
            assert SECRET not in f"{error} {error.faults}"


def test_http_to_a_loopback_address_is_allowed(environment: dict[str, str]) -> None:
    settings = read_settings(environment | {"LLM_BASE_URL": "http://127.0.0.1:8000/v1"})
    assert settings.llm_base_url == "http://127.0.0.1:8000/v1"


def test_empty_variable_counts_as_not_set(environment: dict[str, str]) -> None:
    assert read_settings(environment | {"LLM_MODEL": " "}).llm_model == "qwen-plus"


def test_scope_may_contain_the_audience_as_in_idaas(environment: dict[str, str]) -> None:
    scope = "https://agent.example|agent.access"
    assert read_settings(environment | {"AGENT_SCOPE": scope}).agent_scope == "agent.access"


def test_settings_and_faults_contain_no_secret(environment: dict[str, str]) -> None:
    settings = read_settings(environment)
    broken = faults(environment | {"AGENT_PORT": "x", "LLM_BASE_URL": f"http://{SECRET}.example"})
    for text in (repr(settings), settings.model_dump_json(), str(broken), repr(broken.faults)):
        assert SECRET not in text


def test_every_variable_has_a_description() -> None:
    assert all(description for description, _ in variables().values())
    assert variables()["AGENT_AUDIENCE"][1] is ...


@pytest.mark.promise("no-secret-leaves")
def test_url_of_redis_is_a_secret(environment: dict[str, str]) -> None:
    url = "rediss://default:redis-password@redis.example:6380/3"
    settings = read_settings(environment | {"REDIS_URL": url})
    assert settings.redis_url is not None
    assert settings.redis_url.reveal() == url
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "redis-password" not in shown


@pytest.mark.parametrize(
    "url",
    [
        "http://default:redis-password@redis.example:6379",
        "redis://default:redis-password@redis.example",
        "redis://default:redis-password@redis.example:port",
        "redis://default:redis-password@[redis.example:6379",
        "rediss://default:redis-password@redis.example:6379?ssl_cert_reqs=none",
        "redis://default:redis-password@redis.example:6379#fragment",
    ],
)
def test_invalid_url_of_redis_is_refused_and_not_repeated(environment: dict[str, str], url: str) -> None:
    error = faults(environment | {"REDIS_URL": url})
    [fault] = error.faults
    assert fault.startswith("REDIS_URL must have the form")
    assert "redis-password" not in f"{error} {error.detail}"


def test_url_of_redis_requires_the_redis_package(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)  # as if it were not installed
    [fault] = faults(environment | {"REDIS_URL": "redis://redis.example:6379"}).faults
    assert "idaas-agent[redis]" in fault


@pytest.mark.parametrize(
    "name", ["MAX_REQUESTS_PER_MINUTE", "MAX_CONCURRENT_RUNS", "MAX_RUNS", "MAX_HEADER_BYTES"]
)
def test_negative_limit_is_a_fault(environment: dict[str, str], name: str) -> None:
    [fault] = faults(environment | {name: "-1"}).faults
    assert fault.startswith(name)


def test_static_model_key_replaces_the_identifier(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    del environment["LLM_API_KEY_IDENTIFIER"]
    settings = read_settings(environment | {"LLM_API_KEY_FILE": str(file)})
    assert settings.llm_api_key_file is not None
    assert settings.llm_api_key_file.reveal() == SECRET
    assert SECRET not in f"{settings!r} {settings.model_dump_json()}"


@pytest.mark.parametrize("content", [None, "", "two words", "two\nlines", "schlüssel"])
def test_unusable_key_file_is_a_fault(
    environment: dict[str, str], tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content)
    del environment["LLM_API_KEY_IDENTIFIER"]
    [fault] = faults(environment | {"LLM_API_KEY_FILE": str(file)}).faults
    assert fault.startswith("LLM_API_KEY_FILE must name a readable file")


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"LLM_PROVIDER": "other"}, ["LLM_PROVIDER"]),
        ({"LLM_PROVIDER": "openai_compatible"}, ["LLM_BASE_URL", "LLM_MODEL"]),
        (
            {
                "LLM_PROVIDER": "openai_compatible",
                "LLM_BASE_URL": "https://models.example/v1",
                "LLM_MODEL": "m",
                "LLM_ENABLE_THINKING": "true",
            },
            ["LLM_ENABLE_THINKING"],
        ),
        ({"LLM_API_KEY_FILE": __file__}, ["LLM_API_KEY_FILE", "LLM_API_KEY_FILE"]),
    ],
)
def test_inconsistent_settings_of_the_provider_are_faults(
    environment: dict[str, str], changed: dict[str, str], found: list[str]
) -> None:
    assert [fault.split()[0] for fault in faults(environment | changed).faults] == found


def test_former_name_of_redis_url_is_read(environment: dict[str, str]) -> None:
    former, present = "redis://former.example:6379", "redis://present.example:6379"
    only = read_settings(environment | {"RATE_LIMIT_URL": former})
    both = read_settings(environment | {"RATE_LIMIT_URL": former, "REDIS_URL": present})
    assert (only.redis_url, both.redis_url) == (Secret(former), Secret(present))
    assert misspelt_variables({"RATE_LIMIT_URL": former}) == [
        "RATE_LIMIT_URL is now REDIS_URL; the former name still works"
    ]


def test_user_events_need_application_and_keys(environment: dict[str, str]) -> None:
    [fault] = faults(environment | {"IDAAS_EVENTS_APPLICATION_ID": "app_1"}).faults
    assert "IDAAS_EVENTS_JWKS_ENDPOINT must be set" in fault


def test_key_of_user_events_is_read_from_its_file(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{'ab' * 32}\n")
    settings = read_settings(environment | {"IDAAS_EVENTS_KEY_FILE": str(file)})
    assert settings.idaas_events_key_file == Secret("ab" * 32)
    file.write_text("sesame\n")
    [fault] = faults(environment | {"IDAAS_EVENTS_KEY_FILE": str(file)}).faults
    assert fault == "IDAAS_EVENTS_KEY_FILE must have 64 hexadecimal digits"


def test_system_prompt_is_the_text_of_its_file(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_bytes("\ufeff\n 你是工资助手。\nBe brief.\n\n".encode())
    assert read_settings(environment).system_prompt_file is None
    settings = read_settings(environment | {"SYSTEM_PROMPT_FILE": str(file)})
    assert settings.system_prompt_file == "你是工资助手。\nBe brief."


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "must name a file that can be read"),
        (b"", "must name a file with a text, found none"),
        (b" \n\t\xef\xbb\xbf".strip(), "must name a file with a text, found none"),
        (b"\xff\xfep\x00", "must name a file in UTF-8"),
        (b"a\x00b", "must name a file without control characters"),
        (b"a" * 65_537, "must name a file of at most 65536 bytes, found more"),
    ],
    ids=["missing", "empty", "white space", "not UTF-8", "control character", "too large"],
)
def test_unusable_system_prompt_is_a_fault_among_the_others(
    environment: dict[str, str], tmp_path: Path, content: bytes | None, fault: str
) -> None:
    file = tmp_path / "prompt.txt"
    if content is not None:
        file.write_bytes(content)
    found = faults(environment | {"SYSTEM_PROMPT_FILE": str(file), "MAX_RUNS": "-1"}).faults
    assert sorted(found)[1:] == [f"SYSTEM_PROMPT_FILE {fault}"]


@pytest.mark.parametrize("path", ["/dev/zero", "/", "x" * 5_000])
def test_system_prompt_must_be_a_regular_file(environment: dict[str, str], path: str) -> None:
    [fault] = faults(environment | {"SYSTEM_PROMPT_FILE": path}).faults
    assert fault == "SYSTEM_PROMPT_FILE must name a file that can be read"


def test_system_prompt_of_64_kib_is_accepted(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_bytes(b"a" * 65_536)
    assert read_settings(environment | {"SYSTEM_PROMPT_FILE": str(file)}).system_prompt_file == "a" * 65_536


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
def test_faults_of_opentelemetrys_variables_name_them(
    environment: dict[str, str], variables: dict[str, str], fault: str
) -> None:
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


def test_otlp_needs_its_packages_only_if_the_agents_own_variable_requires_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"):
        monkeypatch.setitem(sys.modules, name, None)  # as if they were not installed
    (fault,) = faults(environment | {"OTEL_TRACES_EXPORTER": "otlp"}).faults
    assert 'pip install "idaas-agent[otel]"' in fault
    settings = read_settings(environment | {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
    assert otlp_signal(settings, Signal.TRACES) is None
    assert "is not installed" in caplog.text
