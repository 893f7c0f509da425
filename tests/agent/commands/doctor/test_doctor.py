"""`doctor` against the sandbox: every row of the error table is provoked and found, with its settings."""

import contextlib
import json
import os
import sqlite3
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner

from agent.commands.command_line import app
from agent.commands.doctor.causes import Origin, obstacle, origin_of
from agent.commands.doctor.command import NOT_CHECKED
from agent.commands.doctor.examination import diagnose, page_finding
from agent.commands.doctor.finding import Finding
from agent.conversations.database.schema import APPLICATION_ID, SCHEMA_VERSION, SQLITE_TYPES, migrations
from agent.errors.error_table import ERROR_CODES
from agent.settings.settings import read_settings
from identity.error_codes import IdentityCode
from identity.errors import CredentialError, ServiceError
from identity.secrets.secret import Secret
from sandbox.authn_method import AuthnMethod
from tests.agent.commands.doctor.declared_cases import DECLARED_CASES
from tests.agent.commands.doctor.doctor_cases import CASES, HUMAN, USER, Case
from tests.clock import same_clock
from tests.http_proxy import HttpProxy
from tests.suite import Sandbox
from tools.error_codes import ToolCode

NOT_MET: Mapping[str, str] = {
    "storage_full": "of one user: doctor stores no conversation",
    "conversation_full": "of one conversation: doctor stores none",
    "access_token_missing": "doctor is not a request: without a token the user's steps are skipped, with how",
    "run_timed_out": "a limit on one answer of the model and its tools together; doctor makes no run",
    "shutting_down": "of an agent that is being stopped; doctor's own is not",
    "rate_limited": "of a caller who asks too often; doctor is no caller",
    "too_many_runs": "of a caller with many runs at once; doctor makes no run",
    "nothing_to_continue": "of a conversation; doctor has none",
    "run_cancelled": "of a conversation; doctor has none",
    "run_interrupted": "of a conversation; doctor has none",
    "question_replaced": "of a conversation; doctor has none",
    "graph_node_failed": "of a run of the operator's own graph; doctor makes none",
    "answer_does_not_fit": "of an answer whose form a caller requested; doctor makes no run",
    "budget_spent": "of a user who asks; doctor makes no run",
    "budget_raise_asked": "of a user who asks; doctor makes no run",
    "issuer_refused": "of an issuer beside IDaaS; tests/agent/composition has it",
    "issuer_unreachable": "of an issuer beside IDaaS; tests/agent/composition has it",
    "calls_stopped": "of a call that an operator has stopped; doctor makes no run",
    "events_lost": "of a slow reader of a conversation; doctor has none",
    "overloaded": "of a process with many runs at once; doctor makes no run",
    "service_credential_unavailable": "of a service of SERVICES_FILE; tests/end_to_end has it",
    "consent_required": "of a user who has not consented to a provider; tests/end_to_end has it",
    "sign_in_required": "of a run that another process continues; tests/identity/access_token has it",
    "approval_open": "of a conversation that waits for its user; doctor has no conversation",
    "approval_expired": "of an approval; doctor makes no call that needs one",
    "approval_used": "of an approval; doctor makes no call that needs one",
    "approval_invalid": "of an approval; doctor makes no call that needs one",
    "approval_unavailable": "of the database of conversations, when an approval needs it",
    "thread_not_found": "of a caller's conversation; doctor opens none",
    "thread_busy": "of a caller's conversation; doctor opens none",
    "conversation_unreadable": "of a caller's conversation; doctor opens none",
    "permission_missing": "of a call whose server names a permission; tests/tools/mcp_service has it",
    "revocations_lost": "of a running agent, which knows what a store had",
    "access_revoked": "of a user's token; the revocation tests have it",
}
"""Codes that `doctor` cannot report, with the reason."""


async def other_jwks(request: Request) -> JSONResponse:
    """The signing keys of another instance."""
    return JSONResponse({"keys": [OTHER_KEY.as_dict(private=False)]})


OTHER_KEY = ECKey.generate_key("P-256", {"kid": "other", "alg": "ES256", "use": "sig"})


def environment(sandbox: Sandbox, case: Case, folder: Path, elsewhere: str) -> dict[str, str]:
    """The variables and files of the agent's configuration, with the faults of the case."""
    addresses = sandbox.cloud.addresses
    loop = folder / "loop"
    loop.symlink_to(loop)
    (folder / "text.db").write_text("no database " * 100)
    with contextlib.closing(sqlite3.connect(folder / "other.db")) as other:
        other.execute("CREATE TABLE notes (text)")
    (folder / "clear-allowed").write_text(f"{'A' * 43}\nclear\n")
    with contextlib.closing(sqlite3.connect(folder / "under-another-key.db")) as sealed:
        for statement in migrations(0, SQLITE_TYPES):
            sealed.execute(statement)
        sealed.execute("INSERT INTO encryption_keys VALUES ('another')")
        sealed.commit()
        sealed.executescript(
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}"
        )
    with contextlib.closing(sqlite3.connect(folder / "newer.db")) as newer:
        newer.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 99")
    places = {
        "loop": str(loop),
        "folder": str(folder),
        "issuer": addresses.issuer,
        "idaas_port": addresses.idaas.rpartition(":")[2],
        "plain_port": addresses.idaas_plain.rpartition(":")[2],
        "model_studio": addresses.model_studio,
        "function_compute": addresses.function_compute,
        "other_jwks": f"{elsewhere}/jwks",
    }
    given = sandbox.environment
    if case.authn is not None:
        given = sandbox.running.environment_by(case.authn, folder, case.source)
    variables = given | {name: value.format_map(places) for name, value in case.variables.items()}
    if case.configuration:
        configuration = json.loads(Path(variables["CLOUD_IDAAS_CONFIG_PATH"]).read_text())
        file = folder / "changed-config.json"
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
async def test_each_fault_is_found_with_code_reason_cause_and_remedy(
    case: Case, sandbox: Sandbox, tmp_path: Path, serve: Callable
) -> None:
    elsewhere = ""
    if "{other_jwks}" in case.variables.values():
        elsewhere = await serve(Starlette(routes=[Route("/jwks", other_jwks)]))
    variables = environment(sandbox, case, tmp_path, elsewhere)
    token = None if case.token is None else sandbox.access_token("alice", **case.token)
    case.change(sandbox)
    found = await findings(variables, token, case.clock)
    first = next(finding for finding in found.values() if finding.outcome == "failed")
    assert first.step == case.step
    members = first.members()
    assert (members["code"], members["reason"]) == (case.code, case.reason)
    output = "\n".join(first.lines())
    for name in ("code", "symptom", "cause", "remedy"):
        assert members[name]
        assert members[name] in output
    shown = json.dumps([finding.members() for finding in found.values()]) + output
    secrets = sandbox.cloud.secrets
    for secret in (secrets.agent_client_secret, secrets.llm_api_key, secrets.amap_api_key, token, "sesame"):
        assert not secret or secret not in shown


def test_different_faults_give_different_findings() -> None:
    findings = [(case.step, case.code, case.reason) for case in CASES]
    assert len(findings) == len(set(findings))


def test_every_code_is_provoked_or_listed_as_unreachable() -> None:
    provoked = {case.code for case in [*CASES, *DECLARED_CASES]} | {"internal_error"}
    assert set(ERROR_CODES) - provoked - NOT_MET.keys() == set()
    assert provoked & NOT_MET.keys() == set()


@pytest.mark.parametrize("method", [AuthnMethod.PRIVATE_KEY_JWT, AuthnMethod.PKCS7])
async def test_wrong_clock_is_found_for_each_method_with_a_time(
    sandbox: Sandbox, tmp_path: Path, method: AuthnMethod
) -> None:
    found = await findings(sandbox.running.environment_by(method, tmp_path), ahead=-3600)
    members = found["agent's own token"].members()
    assert (members["code"], members["reason"]) == ("client_authentication_failed", "clock")
    assert "s behind that of IDaaS" in members["cause"]


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        (AuthnMethod.CLIENT_SECRET_POST, "the client secret, in the body of each token request"),
        (AuthnMethod.OIDC, 'for audience "'),
        (AuthnMethod.PCA, "a certificate valid until 20"),
        (AuthnMethod.PLUGIN, "in Human identity the user's access token travels in the body"),
    ],
)
async def test_client_credential_and_where_it_travels_is_shown(
    sandbox: Sandbox, tmp_path: Path, method: AuthnMethod, shown: str
) -> None:
    settings = read_settings(sandbox.running.environment_by(method, tmp_path))
    assert shown in await settings.idaas.client_authentication.inspect()


def doctor(*arguments: str, **variables: str) -> tuple[int, str]:
    environment = dict.fromkeys(os.environ) | same_clock() | variables
    result = CliRunner().invoke(app, ["doctor", *arguments], env=environment)
    return result.exit_code, result.stdout


def test_healthy_agent_has_no_failures_and_skipped_steps_explain_how_to_check_them(sandbox: Sandbox) -> None:
    status, output = doctor("--json", **sandbox.environment)
    steps = {step["step"]: step for step in json.loads(output)["steps"]}
    assert status == NOT_CHECKED
    assert json.loads(output)["ok"] is True
    skipped = {name for name, step in steps.items() if step["outcome"] == "skipped"}
    assert skipped == {USER, "credential of leave", "service leave"}
    assert "IDAAS_AGENT_ACCESS_TOKEN" in steps[USER]["remedy"]


def test_model_with_a_key_in_a_file_is_checked(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(sandbox.cloud.secrets.llm_api_key)
    variables = {**sandbox.environment, "LLM_API_KEY_FILE": str(tmp_path / "key")}
    del variables["LLM_API_KEY_IDENTIFIER"]
    _, output = doctor("--json", **variables)
    assert {step["step"]: step["outcome"] for step in json.loads(output)["steps"]}["model"] == "ok"


def test_without_a_token_the_end_names_what_was_not_checked(sandbox: Sandbox) -> None:
    wrong = sandbox.environment | {"AGENT_AUDIENCE": "https://another.example"}
    status, output = doctor(**wrong)
    end = output.rpartition("skipped.")[2]
    assert status == NOT_CHECKED
    assert "Not checked: AGENT_AUDIENCE" in end
    assert "IDAAS_AGENT_ACCESS_TOKEN" in end
    assert "All steps succeeded" not in end
    status, output = doctor(IDAAS_AGENT_ACCESS_TOKEN=sandbox.access_token(), **wrong)
    assert (status, "Not checked" in output) == (1, False)


def test_steps_of_a_user_are_checked_with_a_users_token(sandbox: Sandbox, tmp_path: Path) -> None:
    variables = {"AUDIT_LOG_FILE": str(tmp_path / "audit.log"), **HUMAN, **sandbox.environment}
    status, output = doctor("--json", IDAAS_AGENT_ACCESS_TOKEN=sandbox.access_token("alice"), **variables)
    assert status == 0
    assert {step["outcome"] for step in json.loads(output)["steps"]} == {"ok"}


def test_human_identity_needs_no_rights_of_the_agent(sandbox: Sandbox) -> None:
    sandbox.cloud.directory.machine.clear()
    token = sandbox.access_token("alice")
    status, output = doctor("--json", IDAAS_AGENT_ACCESS_TOKEN=token, **HUMAN, **sandbox.environment)
    assert status == 0
    assert "failed" not in {step["outcome"] for step in json.loads(output)["steps"]}


def test_failure_is_printed_and_sets_the_exit_status(sandbox: Sandbox) -> None:
    status, output = doctor(**sandbox.environment | {"LLM_API_KEY_IDENTIFIER": "none", "LLM_MODEL": "none"})
    assert status == 1
    for words in ("failed  credential of model:", "llm_api_key_unavailable", "cause:", "remedy:", "1 of "):
        assert words in output


def test_every_fault_of_the_configuration_has_a_line(sandbox: Sandbox) -> None:
    status, output = doctor(**sandbox.environment | {"AGENT_SCOPE": "", "LLM_BASE_URL": "http://example.com"})
    assert status == 1
    lines = output.splitlines()
    assert sum("fault:" in line for line in lines) == 2
    assert any("AGENT_SCOPE" in line for line in lines)
    assert any("LLM_BASE_URL" in line for line in lines)


@pytest.mark.parametrize(
    ("page", "outcome"),
    [
        ("http://localhost:9001/", "ok"),
        ("HTTP://LOCALHOST:9001/#conversation=1", "ok"),
        ("https://localhost:9001", "failed"),
        ("http://localhost:9010", "failed"),
        ("chat.example.com", "failed"),
    ],
)
def test_address_of_the_page_is_compared_with_the_admitted_origins(page: str, outcome: str) -> None:
    finding = page_finding(page, ["http://localhost:9001"])
    assert finding.outcome == outcome
    if outcome == "failed":
        assert "CORS_ALLOWED_ORIGINS" in " ".join(finding.lines())


async def test_address_that_accepts_connections_has_no_connectivity_fault(sandbox: Sandbox) -> None:
    assert await obstacle(sandbox.url(), "JWKS_ENDPOINT", sandbox.ssl_context) is None


@pytest.mark.parametrize(
    ("variables", "direct"),
    [
        ({"ALL_PROXY": "http://127.0.0.1:9"}, False),
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, True),  # the address is https
        ({"HTTPS_PROXY": "http://127.0.0.1:9"}, False),
        ({"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}, True),
        ({"ALL_PROXY": "http://127.0.0.1:9", "NO_PROXY": "*"}, True),
    ],
    ids=str,
)
async def test_address_is_examined_unless_the_agents_requests_to_it_use_a_proxy(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], direct: bool
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    barred = await obstacle("https://127.0.0.1:1/", "JWKS_ENDPOINT", ssl.create_default_context())
    assert barred is not None
    assert (barred.reason == "refused") is direct


async def test_proxy_that_takes_no_connection_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://user:canary@127.0.0.1:9")
    barred = await obstacle("https://idaas.example/", "JWKS_ENDPOINT", ssl.create_default_context())
    assert barred is not None
    assert barred.reason == "proxy_unreachable"
    assert "idaas.example go through the proxy 127.0.0.1:9" in barred.cause
    assert "canary" not in f"{barred.cause} {barred.remedy}"
    async with HttpProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        context = ssl.create_default_context()
        assert await obstacle("https://idaas.example/", "JWKS_ENDPOINT", context) is None


async def test_rule_that_needs_auth_time_is_named_if_the_token_of_the_user_has_none(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "policy.cedar"
    file.write_text(
        "permit (principal, action, resource);\n"
        "forbid (principal, action, resource) unless { context has authAge && context.authAge < 300 };\n"
        "// end\n"
    )
    variables = sandbox.environment | {"POLICY_FILE": str(file)}
    found = (await findings(variables, sandbox.access_token("alice")))["recent sign-in"]
    assert found.detail == 'the token has no "auth_time": line 2 of POLICY_FILE denies the calls it names'


FILE = 'services.maps = { type = "mcp", url = "https://maps.example/mcp", api_key = "k" }'
FAILED = ServiceError(ToolCode.SERVICE_FAILED, "x")


@pytest.fixture
def settings(sandbox, tmp_path):
    (tmp_path / "services.toml").write_text(FILE)
    return read_settings(sandbox.environment | {"SERVICES_FILE": str(tmp_path / "services.toml")})


def test_service_of_the_variables_is_named_by_its_variables(settings):
    found = origin_of(settings, [], "enterprise", FAILED)
    url = settings.enterprise_service_url
    assert found == Origin(url, "ENTERPRISE_SERVICE_URL", "ENTERPRISE_SERVICE_SCOPE")


def test_service_of_the_file_is_named_by_the_members_of_its_entry(settings):
    url, key = "services.maps.url in SERVICES_FILE", "services.maps.api_key in SERVICES_FILE"
    assert origin_of(settings, [], "maps", FAILED) == Origin("https://maps.example/mcp", url, key)


def test_error_that_is_not_about_an_address_has_no_url(settings):
    error = CredentialError(IdentityCode.SERVICE_KEY_UNAVAILABLE, "x")
    assert origin_of(settings, [], "maps", error).url == ""


def test_service_of_a_package_has_no_url(settings):
    assert origin_of(settings, [], "travel", FAILED).url == ""
