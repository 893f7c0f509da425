"""`idaas-agent smoke` against the sandbox: nothing differs from what is recorded, and no text leaves."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app
from plugins.smoke.smoke import differences, token_form
from tests.clock import same_clock
from tests.suite import Sandbox

CANARY = "c4n4ry"


def smoke(folder: Path, *arguments: str, **variables: str) -> tuple[int, str, dict[str, Any]]:
    report = folder / "report.json"
    given = dict.fromkeys(os.environ) | same_clock() | variables
    result = CliRunner().invoke(app, ["smoke", "--report", str(report), *arguments], env=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    written = json.loads(report.read_text()) if report.exists() else {}
    return result.exit_code, result.output, written


@pytest.mark.parametrize("identity", ["Machine", "Human"])
def test_sandbox_is_as_it_is_recorded(sandbox: Sandbox, tmp_path: Path, identity: str) -> None:
    given = sandbox.environment | {
        "ACCESS_IDENTITY": identity,
        "REVOCATIONS_FILE": str(tmp_path / "revocations"),
        "CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db",
        "IDAAS_AGENT_ACCESS_TOKEN": sandbox.access_token("alice"),
    }
    code, _, report = smoke(tmp_path, "--revoke", **given)
    assert (code, report["differences"]) == (0, []), json.dumps(report["observed"], indent=1)
    steps = {step["step"]: step["outcome"] for step in report["steps"]}
    assert {steps[name] for name in ("user's access token", "service enterprise", "revocation")} == {"ok"}
    assert report["observed"]["access token of the user"]["form"] == "JWT"
    refused = report["observed"]["refused: token_exchange as Human"]
    assert refused == {"code": "token_exchange_failed", "status": 400}
    code, _, report = smoke(tmp_path, **given)
    [verified] = [step for step in report["steps"] if step["step"] == "user's access token"]
    assert (code, verified["code"]) == (1, "access_revoked")


@pytest.mark.promise("no-secret-leaves")
def test_report_has_no_text_of_configuration_tokens_or_errors(sandbox: Sandbox, tmp_path: Path) -> None:
    services = tmp_path / "services.toml"
    server = 'type = "mcp"\nurl = "https://localhost:1/mcp"\n'
    services.write_text(
        f'[services.{CANARY}]\n{server}api_key = "{CANARY}"\n'
        f'[services.{CANARY}-2]\n{server}access_token = "https://{CANARY}.example|{CANARY}"\n'
    )
    token = sandbox.access_token("alice", **{CANARY: CANARY, "name": CANARY, "jti": CANARY})
    given = sandbox.environment | {
        "ACCESS_IDENTITY": "Human",
        "LLM_API_KEY_IDENTIFIER": CANARY,
        "LLM_MODEL": CANARY,
        "SERVICES_FILE": str(services),
        "IDAAS_AGENT_ACCESS_TOKEN": token,
    }
    code, shown, report = smoke(tmp_path, **given)
    text = (tmp_path / "report.json").read_text()
    secrets = [
        *vars_of(sandbox),
        CANARY,
        "localhost",
        "sandbox.example",
        "user_alice01",
        "app_agent01",
        token,
    ]
    assert code == 1
    assert CANARY in shown  # on the operator's own terminal
    assert [each for each in secrets if each in text] == []
    [failed] = [step for step in report["steps"] if step["step"] == "credential of model"]
    assert failed["code"] == "llm_api_key_unavailable"
    assert report["observed"]["access token of the user"]["other members of the claim"] == 1
    assert "credential of another" in {step["step"] for step in report["steps"]}


def vars_of(sandbox: Sandbox) -> list[str]:
    secrets = sandbox.cloud.secrets
    return [str(getattr(secrets, name)) for name in ("llm_api_key", "amap_api_key", "alice_password")]


def test_difference_names_the_member_and_both_forms(sandbox: Sandbox) -> None:
    here = {"access token of the user": token_form(sandbox.access_token("alice", lifetime=60, auth_time="x"))}
    there = {"access token of the user": token_form(sandbox.access_token("alice", auth_time=None))}
    found = differences(here, there)
    assert "access token of the user: claim auth_time: str; in the sandbox absent" in found
    assert any("seconds from iat to exp: 60; in the sandbox" in each for each in found)
