"""Settings: read from a mapping, every fault at once and by name."""

from contextlib import aclosing
from pathlib import Path

import pytest

from agent.composition.agent import Agent
from agent.settings.declared_services import declared_services
from agent.settings.settings import read_settings, variables
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.agent.settings.conftest import SECRET, faults
from tests.suite import Sandbox


def test_variables_of_the_tutorial_are_sufficient(environment: dict[str, str]) -> None:
    settings = read_settings(environment)
    assert settings.access_identity is AccessIdentity.MACHINE
    assert settings.llm_base_url == "https://dashscope.aliyuncs.com/compatible-mode/v1"
    assert settings.external_server_url == "https://dashscope.aliyuncs.com/api/v1/mcps/amap-maps/mcp"
    assert settings.jwks_url == "https://idaas.example/api/v2/iauths_system/oauth2/jwks"
    assert settings.agent_port == 9002


@pytest.mark.parametrize("written", ["human", "HUMAN", "Human"])
def test_access_identity_may_be_written_in_any_case(environment: dict[str, str], written: str) -> None:
    settings = read_settings(environment | {"ACCESS_IDENTITY": written})
    assert settings.access_identity is AccessIdentity.HUMAN


def test_all_missing_variables_are_named_at_once() -> None:
    error = faults({"CLOUD_IDAAS_CONFIG_PATH": "/nowhere/config.json"})
    assert error.code is IdentityCode.SETTINGS_INVALID
    for name in ("AGENT_AUDIENCE", "AGENT_SCOPE", "LLM_API_KEY_IDENTIFIER", "/nowhere/config.json"):
        assert any(name in fault for fault in error.faults), name


OF_SERVICES = (
    *("EXTERNAL_SERVER_URL", "EXTERNAL_SERVER_API_KEY_IDENTIFIER"),
    *("ENTERPRISE_SERVICE_URL", "ENTERPRISE_SERVICE_SCOPE"),
)


def test_services_of_the_tutorial_are_declared_only_if_their_variables_are_set(
    environment: dict[str, str],
) -> None:
    without = {name: value for name, value in environment.items() if name not in OF_SERVICES}
    both = {each.name for each in declared_services(read_settings(environment))}
    assert both - {each.name for each in declared_services(read_settings(without))} == {"amap", "enterprise"}
    for name, other in (OF_SERVICES[:2], OF_SERVICES[2:], OF_SERVICES[:1:-1]):
        given = without | {name: environment.get(name, "https://maps.example/mcp")}
        assert [fault for fault in faults(given).faults if other in fault], name


def test_entry_of_a_built_in_server_that_is_not_configured_is_a_fault(
    environment: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "services.toml"
    file.write_text('services.amap = { type = "built-in", prefix = "map_" }')
    without = {name: value for name, value in environment.items() if name not in OF_SERVICES}
    found = faults(without | {"SERVICES_FILE": str(file)}).faults
    assert found == ("SERVICES_FILE: services.amap needs EXTERNAL_SERVER_API_KEY_IDENTIFIER",)


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
        ("ENTERPRISE_SERVICE_SCOPE", "svc.read"),
        ("CORS_ALLOWED_ORIGINS", "*"),
        ("CORS_ALLOWED_ORIGINS", "http://localhost:9001/"),
        ("AGENT_PORT", "90020"),
        ("RUN_TIMEOUT_SECONDS", "nan"),
        ("MAX_CONCURRENT_RUNS", "-1"),
        ("MAX_HEADER_BYTES", "-1"),
        ("MAX_REQUESTS_PER_MINUTE", "-1"),
        ("SSL_CERT_FILE", "/nowhere/bundle.pem"),
        ("LEAVE_SERVICE_URL", "https://leave.example"),
        ("AGENT_AUDIENCE", "two words"),
    ],
)
def test_variable_with_an_unusable_value_is_named(environment: dict[str, str], name: str, value: str) -> None:
    error = faults(environment | {name: value})
    assert error.code is IdentityCode.SETTINGS_INVALID
    assert [fault for fault in error.faults if name in fault]
    assert len(error.faults) == 1


@pytest.mark.parametrize(
    "name", ["AGENT_AUDIENCE", "CLOUD_IDAAS_CONFIG_PATH", "IDAAS_CLIENT_SECRET", "OTHER"]
)
def test_value_with_a_nul_character_is_named_without_the_value(environment, name):
    error = faults(environment | {name: "canary\0"})
    assert error.code is IdentityCode.SETTINGS_INVALID
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
    "ACCESS_IDENTITY": ("Robot", "ACCESS_IDENTITY must be 'Machine' or 'Human', found 'Robot'"),
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


def test_proxy_of_an_unsupported_kind_is_a_fault(environment, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "socks5://user:hidden@proxy.example")
    monkeypatch.delenv("https_proxy", raising=False)
    with pytest.raises(ConfigurationError) as raised:
        read_settings(environment)
    assert [fault.split()[0] for fault in raised.value.faults] == ["HTTPS_PROXY"]
    assert "hidden" not in str(raised.value)


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
    assert fault == f'IDAAS_EVENTS_KEY_FILE must have 64 hexadecimal digits (the file "{file}")'


async def test_agent_without_the_tutorials_services_starts(sandbox: Sandbox) -> None:
    without = {name: value for name, value in sandbox.environment.items() if name not in OF_SERVICES}
    async with aclosing(Agent(read_settings(without))) as agent:
        assert [each.name for each in agent.services] == ["leave"]
        assert agent.requirements.keys() == {"leave", "model"}
