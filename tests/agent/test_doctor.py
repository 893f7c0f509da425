"""`doctor` against the sandbox: every row of the error table is provoked, found, and told from all others."""

import json
import os
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner

from agent.cli import app
from agent.diagnosis.examination import diagnose
from agent.diagnosis.finding import Finding, Outcome
from agent.diagnosis.obstacle import obstacle
from identity.error_table import ErrorCode
from identity.secret import Secret
from sandbox.directory import AGENT, ENTERPRISE_AUDIENCE, PAM_AUDIENCE
from sandbox.faults import Fault
from tests.conftest import Sandbox

HUMAN = {"ACCESS_IDENTITY": "Human"}
ALICE = "user_alice01"

NOT_MET: Mapping[str, str] = {
    "access_token_missing": "doctor is not a request: without a token the user's steps are skipped, with how",
    "run_timed_out": "a limit on one answer of the model and its tools together; doctor makes no run",
    "shutting_down": "of an agent that is being stopped; doctor's own is not",
    "rate_limited": "of a caller who asks too often; doctor is no caller",
    "too_many_runs": "of a caller with many runs at once; doctor makes no run",
    "overloaded": "of a process with many runs at once; doctor makes no run",
}
"""Codes that doctor can by its nature not meet, and why."""


def nothing(sandbox: Sandbox) -> None:
    """Only the variables differ."""


def fault(service: str, **members: object) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.cloud.faults.set(service, Fault(**members))


def revoked(*grant: str) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.cloud.directory.revoke(*grant)


def no_reader(identifier: str, holder: str) -> Callable[[Sandbox], None]:
    return lambda sandbox: sandbox.cloud.vault.find(identifier).readers.discard(holder)


@dataclass(frozen=True)
class Case:
    """What is made wrong, and what doctor must say: the step, the code, the reason."""

    step: str
    code: str
    reason: str
    variables: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[Sandbox], None] = nothing
    configuration: Mapping[str, str] = field(default_factory=dict)
    """Members of the SDK configuration."""
    token: Mapping[str, object] | None = None
    """The user's token: keywords of `sandbox.access_token`."""
    clock: float = 0.0
    """Seconds by which the agent's clock is ahead."""

    def __str__(self) -> str:
        return f"{self.step}: {self.reason}".replace(" ", "_")


def closed(path: str) -> str:
    """An address at which nothing listens: port 1 is nobody's."""
    return f"https://localhost:1{path}"


OWN, KEYS, ISSUED, USER = "agent's own token", "signing keys", "what IDaaS issues", "user's access token"
LLM, AMAP, ENTERPRISE = "credential of model", "credential of amap", "credential of enterprise"

CASES = [
    Case("configuration", "settings_invalid", "settings_invalid", {"AGENT_SCOPE": ""}),
    Case("configuration", "sdk_config_unreadable", "sdk_config_unreadable",
         {"CLOUD_IDAAS_CONFIG_PATH": "/nowhere"}),
    Case("audit log", "audit_unavailable", "audit_unavailable", {"AUDIT_LOG_FILE": "{loop}"}),
    Case("shared counters", "settings_invalid", "refused", {"RATE_LIMIT_URL": "redis://:sesame@localhost:1"}),
    Case("shared counters", "settings_invalid", "no_redis",
         {"RATE_LIMIT_URL": "redis://:sesame@localhost:{plain_port}"}),
    Case(KEYS, "jwks_unavailable", "certificate_not_trusted", {"SSL_CERT_FILE": ""}),
    Case(KEYS, "jwks_unavailable", "certificate_expired",
         change=fault("idaas.jwks", expired_certificate=True)),
    Case(KEYS, "jwks_unavailable", "certificate_of_another_name",
         {"JWKS_ENDPOINT": "https://127.1:{idaas_port}/jwks"}),
    Case(KEYS, "jwks_unavailable", "refused", {"JWKS_ENDPOINT": closed("/jwks")}),
    Case(KEYS, "jwks_unavailable", "no_tls", {"JWKS_ENDPOINT": "https://localhost:{plain_port}/jwks"}),
    Case(KEYS, "jwks_unavailable", "no_such_address", {"JWKS_ENDPOINT": "{issuer}/nothing"}),
    Case(KEYS, "jwks_unavailable", "no_jwks", {"JWKS_ENDPOINT": "{issuer}/.well-known/openid-configuration"}),
    Case(KEYS, "jwks_unavailable", "service_down", change=fault("idaas.jwks", status=500)),
    Case(KEYS, "jwks_unavailable", "cut", change=fault("idaas.jwks", drop=True)),
    Case(OWN, "idaas_unreachable", "refused", configuration={"tokenEndpoint": "localhost:1/token"}),
    Case(OWN, "idaas_unreachable", "service_down", change=fault("idaas.token", status=503, retry_after=60)),
    Case(OWN, "idaas_unreachable", "not_idaas", change=fault("idaas.token", redirect="https://localhost/")),
    Case(OWN, "idaas_unreachable", "clock", clock=7200),
    Case(OWN, "client_authentication_failed", "client_authentication_failed", {"IDAAS_CLIENT_SECRET": "x"}),
    Case(OWN, "machine_token_failed", "no_credential_store",
         change=lambda sandbox: [sandbox.cloud.directory.revoke(AGENT, PAM_AUDIENCE, permission)
                                 for permission in sandbox.cloud.directory.resource_servers[PAM_AUDIENCE]
                                 .permissions]),
    Case(ISSUED, "access_token_invalid", "another_issuer", configuration={"issuer": "other.example"}),
    Case(ISSUED, "access_token_invalid", "another_jwks", {"JWKS_ENDPOINT": "{other_jwks}"}),
    Case(ISSUED, "access_token_invalid", "clock", clock=-600),
    Case(USER, "access_token_invalid", "expired", HUMAN, token={"exp": 1_000_000_000}),
    Case(USER, "access_token_invalid", "another_audience", HUMAN, token={"audience": ENTERPRISE_AUDIENCE}),
    Case(USER, "access_token_invalid", "another_issuer", HUMAN, token={"iss": "https://other.example"}),
    Case(USER, "access_token_invalid", "another_jwks", HUMAN, token={"header": {"kid": "other"}}),
    Case(USER, "access_token_invalid", "clock", HUMAN, token={"iat": 9_000_000_000}),
    Case(USER, "access_token_invalid", "no_token", HUMAN, token={"header": {"typ": "secevent+jwt"}}),
    Case(USER, "insufficient_scope", "insufficient_scope", HUMAN, token={"permissions": ("other",)}),
    Case(LLM, "llm_api_key_unavailable", "unknown_identifier", {"LLM_API_KEY_IDENTIFIER": "none"}),
    Case(LLM, "llm_api_key_unavailable", "not_granted", change=no_reader("llm_api_key", AGENT)),
    Case(LLM, "llm_api_key_unavailable", "no_permission",
         change=revoked(AGENT, PAM_AUDIENCE, "credential:obtain")),
    Case(LLM, "llm_api_key_unavailable", "unknown_instance", configuration={"idaasInstanceId": "idaas_x"}),
    Case(LLM, "idaas_unreachable", "refused", configuration={"developerApiEndpoint": "localhost:1"}),
    Case(LLM, "idaas_unreachable", "service_down",
         change=fault("developer_api", status=503, retry_after=60)),
    Case(AMAP, "external_api_key_unavailable", "unknown_identifier",
         {"EXTERNAL_SERVER_API_KEY_IDENTIFIER": "none"}),
    Case(AMAP, "external_api_key_unavailable", "not_granted", HUMAN, no_reader("amap_api_key", ALICE),
         token={}),
    Case(ENTERPRISE, "machine_token_failed", "not_granted", {"ENTERPRISE_SERVICE_SCOPE": "https://no|x"}),
    Case(ENTERPRISE, "token_exchange_failed", "not_granted", HUMAN,
         revoked(ALICE, ENTERPRISE_AUDIENCE, "service.invoke"), token={}),
    Case(LLM, "token_exchange_failed", "user_disabled", HUMAN,
         lambda sandbox: sandbox.cloud.directory.disabled.add(ALICE), token={}),
    Case("model", "model_call_failed", "key_refused", {"LLM_API_KEY_IDENTIFIER": "amap_api_key"}),
    Case("model", "model_call_failed", "no_such_model", {"LLM_MODEL": "none"}),
    Case("model", "model_call_failed", "no_such_address", {"LLM_BASE_URL": "{model_studio}/nothing"}),
    Case("model", "model_call_failed", "refused", {"LLM_BASE_URL": closed("/v1")}),
    Case("model", "model_call_failed", "service_down", change=fault("model_studio", status=503)),
    Case("model", "model_call_failed", "too_slow", {"MODEL_TIMEOUT_SECONDS": "0.1"},
         fault("model_studio", hang=True)),
    Case("service amap", "external_service_failed", "key_refused",
         {"EXTERNAL_SERVER_API_KEY_IDENTIFIER": "llm_api_key"}),
    Case("service amap", "external_service_failed", "no_such_address",
         {"EXTERNAL_SERVER_URL": "{model_studio}/api/v1/mcps/none/mcp"}),
    Case("service amap", "external_service_failed", "refused", {"EXTERNAL_SERVER_URL": closed("/mcp")}),
    Case("service amap", "external_service_failed", "service_down", change=fault("amap", status=500)),
    Case("service enterprise", "enterprise_jwt_rejected", "enterprise_jwt_rejected",
         change=lambda sandbox: sandbox.cloud.keys.rotate(overlap=False)),
    Case("service enterprise", "enterprise_service_failed", "token_refused",
         {"ENTERPRISE_SERVICE_SCOPE": f"{PAM_AUDIENCE}|credential:obtain"}),
    Case("service enterprise", "enterprise_service_failed", "no_such_address",
         {"ENTERPRISE_SERVICE_URL": "{function_compute}/nothing"}),
    Case("service enterprise", "enterprise_service_failed", "refused",
         {"ENTERPRISE_SERVICE_URL": closed("/")}),
    Case("service enterprise", "enterprise_service_failed", "redirected",
         change=fault("function_compute", redirect="https://localhost/")),
    Case("service enterprise", "enterprise_service_failed", "service_down",
         change=fault("function_compute", status=500)),
]  # fmt: skip


async def other_jwks(request: Request) -> JSONResponse:
    """The keys of another instance."""
    return JSONResponse({"keys": [OTHER_KEY.as_dict(private=False)]})


OTHER_KEY = ECKey.generate_key("P-256", {"kid": "other", "alg": "ES256", "use": "sig"})


def environment(sandbox: Sandbox, case: Case, folder: Path, elsewhere: str) -> dict[str, str]:
    """What the agent is configured by, with the case's faults in it."""
    addresses = sandbox.cloud.addresses
    loop = folder / "loop"
    loop.symlink_to(loop)
    places = {
        "loop": str(loop),
        "issuer": addresses.issuer,
        "idaas_port": addresses.idaas.rpartition(":")[2],
        "plain_port": addresses.idaas_plain.rpartition(":")[2],
        "model_studio": addresses.model_studio,
        "function_compute": addresses.function_compute,
        "other_jwks": f"{elsewhere}/jwks",
    }
    variables = sandbox.environment | {
        name: value.format_map(places) for name, value in case.variables.items()
    }
    if case.configuration:
        configuration = json.loads(Path(variables["CLOUD_IDAAS_CONFIG_PATH"]).read_text())
        file = folder / "client-config.json"
        file.write_text(json.dumps(configuration | case.configuration))
        variables["CLOUD_IDAAS_CONFIG_PATH"] = str(file)
    return variables


async def findings(
    variables: Mapping[str, str], token: str | None = None, ahead: float = 0.0
) -> dict[str, Finding]:
    secret = Secret(token) if token is not None else None
    examination = diagnose(variables, secret, clock=lambda: time.time() + ahead)
    return {finding.step: finding async for finding in examination}


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_is_wrong_is_found_with_code_reason_cause_and_remedy(
    case: Case, sandbox: Sandbox, tmp_path: Path, serve: Callable
) -> None:
    elsewhere = ""
    if "{other_jwks}" in case.variables.values():
        elsewhere = await serve(Starlette(routes=[Route("/jwks", other_jwks)]))
    variables = environment(sandbox, case, tmp_path, elsewhere)
    token = None if case.token is None else sandbox.access_token("alice", **case.token)
    case.change(sandbox)
    found = await findings(variables, token, case.clock)
    first = next(finding for finding in found.values() if finding.outcome is Outcome.FAILED)
    assert first.step == case.step
    members = first.members()
    assert (members["code"], members["reason"]) == (case.code, case.reason)
    said = "\n".join(first.lines())
    for name in ("code", "symptom", "cause", "remedy"):
        assert members[name]
        assert members[name] in said
    shown = json.dumps([finding.members() for finding in found.values()]) + said
    secrets = sandbox.cloud.secrets
    for secret in (secrets.agent_client_secret, secrets.llm_api_key, secrets.amap_api_key, token, "sesame"):
        assert not secret or secret not in shown


def test_no_two_things_that_are_wrong_give_the_same_finding() -> None:
    findings = [(case.step, case.code, case.reason) for case in CASES]
    assert len(findings) == len(set(findings))


def test_every_code_is_provoked_or_cannot_be_met() -> None:
    provoked = {case.code for case in CASES}
    assert set(ErrorCode) - provoked - NOT_MET.keys() == set()
    assert provoked & NOT_MET.keys() == set()


def doctor(*arguments: str, **variables: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *arguments], env=dict.fromkeys(os.environ) | variables)
    return result.exit_code, result.stdout


def test_a_healthy_agent_is_found_healthy_and_the_skipped_steps_say_how_to_check_them(
    sandbox: Sandbox,
) -> None:
    status, said = doctor("--json", **sandbox.environment)
    steps = {step["step"]: step for step in json.loads(said)["steps"]}
    assert status == 0
    assert json.loads(said)["ok"] is True
    skipped = {name for name, step in steps.items() if step["outcome"] == "skipped"}
    assert skipped == {"audit log", USER, "credential of leave", "service leave"}
    assert "IDAAS_AGENT_ACCESS_TOKEN" in steps[USER]["remedy"]


def test_a_users_steps_are_checked_with_a_users_token(sandbox: Sandbox, tmp_path: Path) -> None:
    variables = {"AUDIT_LOG_FILE": str(tmp_path / "audit.log"), **HUMAN, **sandbox.environment}
    status, said = doctor("--json", IDAAS_AGENT_ACCESS_TOKEN=sandbox.access_token("alice"), **variables)
    assert status == 0
    assert {step["outcome"] for step in json.loads(said)["steps"]} == {"ok"}


def test_in_human_identity_the_agent_needs_no_rights_in_its_own_name(sandbox: Sandbox) -> None:
    sandbox.cloud.directory.machine.clear()
    token = sandbox.access_token("alice")
    status, said = doctor("--json", IDAAS_AGENT_ACCESS_TOKEN=token, **HUMAN, **sandbox.environment)
    assert status == 0
    assert "failed" not in {step["outcome"] for step in json.loads(said)["steps"]}


def test_a_failure_is_told_on_the_terminal_and_by_the_exit_status(sandbox: Sandbox) -> None:
    status, said = doctor(**sandbox.environment | {"LLM_API_KEY_IDENTIFIER": "none", "LLM_MODEL": "none"})
    assert status == 1
    for words in ("failed  credential of model:", "llm_api_key_unavailable", "cause:", "remedy:", "1 of "):
        assert words in said


def test_every_fault_of_the_configuration_has_a_line(sandbox: Sandbox) -> None:
    status, said = doctor(**sandbox.environment | {"AGENT_SCOPE": "", "LLM_BASE_URL": "http://example.com"})
    assert status == 1
    lines = said.splitlines()
    assert sum("fault:" in line for line in lines) == 2
    assert any("AGENT_SCOPE" in line for line in lines)
    assert any("LLM_BASE_URL" in line for line in lines)


async def test_a_name_that_dns_does_not_know_is_told_from_a_port_that_refuses() -> None:
    async def unknown(host: str, port: int) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    barred = await obstacle(closed("/"), "JWKS_ENDPOINT", ssl.create_default_context(), resolve=unknown)
    assert barred is not None
    assert barred.reason == "name_unknown"
    assert "JWKS_ENDPOINT" in barred.remedy


async def test_an_address_that_takes_connections_has_no_obstacle(sandbox: Sandbox) -> None:
    assert await obstacle(sandbox.url(), "JWKS_ENDPOINT", sandbox.ssl_context) is None
