"""The audit log of whole requests: caller, step, credential and outcome."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from starlette.responses import JSONResponse

from agent.api.langgraph.route_guard import RouteGuard
from agent.api.langgraph.server_agent import agent_of_this_loop
from agent.operations.audit.verify import verify
from identity.audit.chain import AuditKey, LogEvent
from identity.audit.event import AuditedAction, AuditOutcome
from identity.error_codes import IdentityCode
from identity.secrets.secret import Secret
from sandbox.faults.faults import Fault
from tests.agent.conftest import AgentServer, running_agent
from tests.suite import Sandbox
from tests.until import until

pytestmark = pytest.mark.promise("on-record")

DOCS = Path(__file__).parents[4] / "docs"
DOCUMENT = (DOCS / "audit-log.md").read_text(encoding="utf-8")
SCHEMA = json.loads((DOCS / "audit-log.schema.json").read_text(encoding="utf-8"))
CHAT = "/openai/v1/chat/completions"
ENTERPRISE = "Call my enterprise service"
LEAVE = "How many days of leave do I have left?"
WEATHER = "What is the weather in Hangzhou right now?"
ALICE, BOB = "user_alice01", "user_bob01"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


async def ask(server: AgentServer, question: str, user: str = "alice") -> Any:
    async with server.client(user) as client:
        return await client.post(CHAT, json={"messages": [{"role": "user", "content": question}]})


def records(server: AgentServer, file: Path, *events: str) -> list[dict[str, Any]]:
    """Stops the agent and returns the lines of its log, or those of `events`, validated by the schema."""
    server.stop()
    text = file.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        jsonschema.validate(line, SCHEMA, jsonschema.Draft202012Validator)
    canaries = server.sandbox.cloud.secrets
    for canary in (canaries.llm_api_key, canaries.amap_api_key, canaries.agent_client_secret, "eyJ"):
        assert canary not in text
    return [line for line in lines if line["event"] in (events or set(AuditedAction))]


def lines_of(file: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line for line in lines if line["event"] in set(AuditedAction)]


def summary(lines: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    return [(line["event"], line["outcome"], line["error"]) for line in lines]


async def test_human_request_is_recorded_from_the_token_to_the_service(sandbox: Sandbox, file: Path) -> None:
    with running_agent(sandbox, ACCESS_IDENTITY="Human", AUDIT_LOG_FILE=str(file)) as server:
        response = await ask(server, ENTERPRISE)
        assert response.status_code == 200
        lines = records(server, file)
    human = [line for line in lines if line["request_id"] == response.headers["x-request-id"]]
    assert human[0]["event"] == "authentication"
    assert human[0]["outcome"] == "succeeded"
    assert (human[0]["audience"], human[0]["scope"]) == ("https://agent.sandbox.example", "agent.access")
    assert {line["principal"]["sub"] for line in human} == {ALICE}
    assert {line["principal"]["iss"] for line in human} == {sandbox.issuer}
    assert len({line["token_hash"] for line in human}) == 1
    issues = [line for line in human if line["event"] in ("token_exchange", "api_key_issue")]
    assert {line["outcome"] for line in issues} == {"succeeded"}
    assert {line["client"] for line in issues} == {"app_agent01"}
    assert {line["access_identity"] for line in issues} == {"Human"}
    requested = {line["credential"] or f"{line['audience']}|{line['scope']}" for line in issues}
    assert {"llm_api_key", "amap_api_key", "https://enterprise.sandbox.example|service.invoke"} <= requested
    assert {"urn:cloud:idaas:pam|.all"} <= requested
    begun, ended = human[-3:-1]
    for line in [line for line in human if line["event"] == "model_call"]:
        assert (line["outcome"], line["model"]) == ("succeeded", "qwen-plus")
        assert line["input_tokens"] > 0
        assert line["output_tokens"] > 0
    assert (begun["event"], begun["outcome"], begun["duration_ms"]) == ("tool_call", "started", None)
    assert (ended["event"], ended["outcome"]) == ("tool_call", "succeeded")
    for line in (begun, ended):
        assert line["service"] == "enterprise"
        assert line["access_identity"] == "Human"
        assert (line["audience"], line["scope"]) == ("https://enterprise.sandbox.example", "service.invoke")
    assert begun["call_id"] == ended["call_id"]
    assert begun["arguments_digest"] == ended["arguments_digest"]
    assert "machine_token" not in {line["event"] for line in lines}


async def test_machine_identity_records_the_caller_and_the_agents_credential(sandbox, file):
    with running_agent(sandbox, ACCESS_IDENTITY="Machine", AUDIT_LOG_FILE=str(file)) as server:
        assert (await ask(server, WEATHER, "bob")).status_code == 200
        lines = records(server, file)
    issues = [line for line in lines if line["event"] in ("machine_token", "api_key_issue")]
    assert {line["principal"] for line in issues if line["access_identity"] == "Machine"} == {None}
    assert {line["credential"] for line in issues} >= {"llm_api_key", "amap_api_key"}
    ended = [line for line in lines if line["event"] == "tool_call" and line["outcome"] == "succeeded"]
    assert {line["access_identity"] for line in ended} == {"Machine"}
    assert {line["principal"]["sub"] for line in ended} == {BOB}
    assert {line["credential"] for line in ended} == {"amap_api_key"}


async def test_warm_request_records_its_authentication_and_its_calls(sandbox: Sandbox, file: Path) -> None:
    with running_agent(sandbox, ACCESS_IDENTITY="Human", AUDIT_LOG_FILE=str(file)) as server:
        headers = server.headers()
        async with server.client(None) as client:
            for _ in range(2):
                body = {"messages": [{"role": "user", "content": ENTERPRISE}]}
                response = await client.post(CHAT, json=body, headers=headers)
        lines = records(server, file)
    warm = [line for line in lines if line["request_id"] == response.headers["x-request-id"]]
    assert summary(warm) == [
        ("authentication", "succeeded", None),
        ("model_call", "succeeded", None),
        ("tool_call", "started", None),
        ("tool_call", "succeeded", None),
        ("model_call", "succeeded", None),
    ]


async def test_log_of_several_processes_is_a_chain_of_each_and_one_key_joins_their_lines(
    sandbox: Sandbox, file: Path, tmp_path: Path
) -> None:
    key_file, token = tmp_path / "key", sandbox.access_token("alice")
    key_file.write_text("k" * 32)
    for _ in range(2):
        with running_agent(sandbox, AUDIT_LOG_FILE=str(file), AUDIT_KEY_FILE=str(key_file)) as server:
            async with server.client(None) as client:
                await client.get("/openai/v1/models", headers={"Authorization": f"Bearer {token}"})
            lines = records(server, file, "authentication")
    assert len({line["process"] for line in lines}) == 2
    assert len({line["token_hash"] for line in lines}) == 1
    assert verify([file], [AuditKey(Secret("k" * 32))]).findings == []
    assert {line["key"] for line in lines} == {AuditKey(Secret("k" * 32)).id}


async def test_refused_caller_is_recorded_with_the_reason_and_no_principal(sandbox, file):
    with running_agent(sandbox, AUDIT_LOG_FILE=str(file)) as server:
        foreign = sandbox.access_token("alice", audience="https://other.example")
        narrow = sandbox.access_token("alice", permissions=("agent.other",))
        async with server.client(None) as client:
            await client.get("/health")
            for authorization in (None, "Basic eyJh", f"Bearer {foreign}", f"Bearer {narrow}"):
                headers = {"Authorization": authorization} if authorization else {}
                await client.get("/openai/v1/models", headers=headers)
            sandbox.clock.advance(2 * 86_400)
            sandbox.cloud.faults.set("idaas.jwks", Fault(status=500))
            late = {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
            assert (await client.get("/openai/v1/models", headers=late)).status_code == 503
        lines = records(server, file, "authentication")
    assert summary(lines) == [
        ("authentication", "refused", "access_token_missing"),
        ("authentication", "refused", "access_token_missing"),
        ("authentication", "refused", "access_token_invalid"),
        ("authentication", "refused", "insufficient_scope"),
        ("authentication", "failed", "jwks_unavailable"),
    ]
    assert {line["principal"] for line in lines} == {None}
    assert [line["token_hash"] is None for line in lines] == [True, True, False, False, False]


async def test_refused_exchange_and_the_call_without_it_are_recorded(sandbox: Sandbox, file: Path) -> None:
    with running_agent(sandbox, ACCESS_IDENTITY="Human", AUDIT_LOG_FILE=str(file)) as server:
        assert (await ask(server, LEAVE, "bob")).status_code == 200
        lines = records(server, file, "token_exchange", "tool_call")
    leave = [line for line in lines if line["audience"] == "https://leave.sandbox.example"]
    assert summary(leave) == [
        ("token_exchange", "refused", "token_exchange_failed"),
        ("tool_call", "started", None),
        ("tool_call", "refused", "token_exchange_failed"),
    ]
    assert {line["principal"]["sub"] for line in leave} == {BOB}


async def test_refused_machine_token_and_api_key_are_recorded(sandbox: Sandbox, file: Path) -> None:
    variables = {
        "ENTERPRISE_SERVICE_SCOPE": "https://enterprise.sandbox.example|service.other",
        "LLM_API_KEY_IDENTIFIER": "no_such_key",
    }
    with running_agent(sandbox, AUDIT_LOG_FILE=str(file), **variables) as server:
        assert (await ask(server, ENTERPRISE)).status_code == 502
        lines = records(server, file, "machine_token", "api_key_issue")
    refused = {summary([line])[0] for line in lines if line["outcome"] == "refused"}
    assert refused == {
        ("machine_token", "refused", "machine_token_failed"),
        ("api_key_issue", "refused", "llm_api_key_unavailable"),
    }


async def test_failed_service_is_recorded(sandbox: Sandbox, file: Path) -> None:
    with running_agent(sandbox, AUDIT_LOG_FILE=str(file)) as server:
        sandbox.cloud.faults.set("function_compute", Fault(status=500))
        assert (await ask(server, ENTERPRISE)).status_code == 200
        lines = records(server, file, "tool_call")
    assert summary(lines[-1:]) == [("tool_call", "failed", "enterprise_service_failed")]


async def becomes_unready(server: AgentServer, client: httpx.AsyncClient) -> str:
    """The code of the check of the audit log, once the agent is not ready."""
    server.agent.readiness.remembered_seconds = 0

    async def is_unready() -> bool:
        return (await client.get("/ready")).status_code == 503

    await until(is_unready)
    return str((await client.get("/ready")).json()["checks"]["audit_log"]["code"])


async def test_request_without_its_required_record_is_refused_and_calls_no_service(sandbox: Sandbox) -> None:
    with running_agent(sandbox, AUDIT_LOG_FILE="/dev/full", AUDIT_REQUIRED="true") as server:
        response = await ask(server, WEATHER)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "audit_unavailable"
        assert response.headers["retry-after"]
        counted = sandbox.cloud.counters.snapshot()
        assert not {"model_studio:chat.completions", "developer_api:ObtainCredential"} & counted.keys()
        assert not [name for name in counted if name.startswith("amap:")]
        async with server.client(None) as client:
            assert (await client.get("/openai/v1/models")).status_code == 503, "a refusal is on record too"
            # A round of checks that began before the first failure may still be under way.
            assert await becomes_unready(server, client) == "audit_unavailable"


async def test_request_without_an_optional_record_is_served_and_readiness_reports_the_log(sandbox):
    with running_agent(sandbox, AUDIT_LOG_FILE="/dev/full") as server:
        assert (await ask(server, WEATHER)).status_code == 200
        async with server.client(None) as client:
            assert await becomes_unready(server, client) == "audit_unavailable"


async def test_langgraph_server_admits_no_caller_without_a_required_record(sandbox, file, monkeypatch):
    for name, value in {**sandbox.environment, "AUDIT_LOG_FILE": str(file)}.items():
        monkeypatch.setenv(name, value)
    transport = httpx.ASGITransport(RouteGuard(JSONResponse({})))
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        token = sandbox.access_token("alice")
        assert (await client.get("/info", headers={"X-Api-Key": token})).status_code == 200
        assert (await client.get("/info")).status_code == 401
    await (await agent_of_this_loop()).aclose()
    lines = lines_of(file)
    assert summary(lines) == [
        ("authentication", "succeeded", None),
        ("authentication", "refused", "access_token_missing"),
    ]
    assert lines[0]["principal"]["sub"] == ALICE


def names_of_rows(page: str) -> set[str]:
    """The names in the first cells of the tables of `page`; a row may have several."""
    cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}


def test_documented_members_and_events_equal_the_recorded_ones() -> None:
    assert SCHEMA["properties"].keys() == set(SCHEMA["required"])
    assert set(SCHEMA["properties"]["event"]["enum"]) == {*AuditedAction, *LogEvent}
    assert set(SCHEMA["properties"]["outcome"]["enum"]) == set(AuditOutcome)
    events, _, members = DOCUMENT.partition("## Members")
    assert names_of_rows(members) == set(SCHEMA["properties"])
    assert names_of_rows(events) == {*AuditedAction, *LogEvent}
    assert IdentityCode.AUDIT_UNAVAILABLE in DOCUMENT
