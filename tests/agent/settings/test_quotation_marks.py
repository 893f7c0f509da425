"""Quotation marks around the value of a variable are no part of it."""

from pathlib import Path

import pytest

from agent.commands.terminal import environment as of_command
from agent.settings.settings import read_settings, variables
from identity.errors import ConfigurationError
from tests.suite import Sandbox

TEXTS = (
    *("ENTERPRISE_SERVICE_SCOPE", "ENTERPRISE_SERVICE_URL", "LLM_API_KEY_IDENTIFIER"),
    *("EXTERNAL_SERVER_API_KEY_IDENTIFIER", "AGENT_AUDIENCE", "AGENT_SCOPE", "LEAVE_SERVICE_SCOPE"),
)


async def test_one_pair_is_taken_off_the_value_of_every_variable(sandbox: Sandbox) -> None:
    known = variables().keys() | {"IDAAS_CLIENT_SECRET"}
    quoted = {
        name: f'"{value}"' if name in known and value else value
        for name, value in sandbox.environment.items()
    }
    plain, read = read_settings(sandbox.environment), read_settings(quoted)
    assert read.model_dump() == plain.model_dump()
    assert {name for name in TEXTS if quoted[name].startswith('"')} == set(TEXTS)
    secrets = [await each.idaas.client_authentication.credential.current() for each in (plain, read)]  # type: ignore[attr-defined]  # by a secret
    assert secrets[0].reveal() == secrets[1].reveal() == sandbox.environment["IDAAS_CLIENT_SECRET"]


@pytest.mark.parametrize(
    "value", ['"https://x.example|use', 'https://x.example|use"', '""https://x.example|use""', '"a","b"', '"']
)
def test_marks_that_are_no_pair_around_the_value_are_a_fault_without_the_value(
    sandbox: Sandbox, value: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(sandbox.environment | {"ENTERPRISE_SERVICE_SCOPE": value})
    [fault] = [each for each in caught.value.faults if "quotation mark" in each]
    assert fault.startswith("ENTERPRISE_SERVICE_SCOPE must not")
    assert "x.example" not in fault


def test_commands_read_variables_of_the_process_and_of_a_file_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "agent.env"
    file.write_text('OTEL_SERVICE_NAME="of-file"\nAGENT_SCOPE=\'"of-file"\'\n')
    monkeypatch.setenv("AGENT_AUDIENCE", '"of-process"')
    found = of_command([file])
    names = ("OTEL_SERVICE_NAME", "AGENT_SCOPE", "AGENT_AUDIENCE")
    assert [found[name] for name in names] == ["of-file", "of-file", "of-process"]


@pytest.mark.parametrize("value", ['a "quoted" word', "", '"a" and "b"', "plain", " plain "])
def test_other_values_are_unchanged(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_VARIABLE", value)
    assert of_command()["OTHER_VARIABLE"] == value


def test_empty_marks_count_as_not_set(sandbox: Sandbox) -> None:
    assert read_settings(sandbox.environment | {"CALLER_CLAIMS": '""'}).caller_claims == ""
