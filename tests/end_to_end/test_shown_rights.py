"""Whose rights a call uses, as each surface shows it, for each kind of credential."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app

KEY = 'api_key = "amap_api_key"'
HEADER = 'placement = { header = "X-Key" }'
JWT = 'issued_jwt = { provider = "service_jwt", audience = "https://reports.sandbox.example" }'
SERVICE = """
[services.reports]
type = "http"
url = "{url}"
python = "reports.py:service"
policies.change = {{ effect = "write" }}
policies.pay = {{ effect = "write", approvers = "finance" }}
{credential}
"""
TOOLS = '''
def service(reports, settings):
    @reports.tool
    async def look(http) -> str:
        """Reads."""
        return "seen"

    @reports.tool
    async def change(http) -> str:
        """Changes."""
        return "changed"

    @reports.tool
    async def pay(http) -> str:
        """Pays."""
        return "paid"
'''
LOOK, CHANGE, PAY = (f"call {tool} with {{}}" for tool in ("look", "change", "pay"))
OWN = "It would use the rights of user_alice01 (Human)."
KINDS = {
    "api_key": (KEY, "with a shared key", "It would use the organization's API key"),
    "access_token": (
        'access_token = "https://enterprise.sandbox.example|service.invoke"', "on your behalf", OWN,
    ),
    "issued_jwt": (JWT, "on your behalf", OWN),
    "cloud_role": (
        'cloud_role = { role = "acs:ram::1000000000000001:role/report-reader" }',
        "as a cloud role",
        "It would use a cloud role that is released to user_alice01 (Human).",
    ),
    "oauth_token": (
        'oauth_token = { provider = "calendar_rooms" }',
        "with an account elsewhere",
        "It would use an account at another provider",
    ),
    "issued_jwt api_key": (
        f"{JWT}\nalso = [{{ {KEY}, {HEADER} }}]", "on your behalf", OWN,
    ),
    "api_key api_key": (
        f"{KEY}\nalso = [{{ {KEY}, {HEADER} }}]", "with a shared key", "the same for everyone",
    ),
}  # fmt: skip


@pytest.fixture
def agent_with(start_agent: Any, sandbox: Any, tmp_path: Path) -> Any:
    """Starts an agent whose service has `credential`."""

    async def start(credential: str) -> Any:
        (tmp_path / "reports.py").write_text(TOOLS)
        url = sandbox.cloud.addresses.bucket_url
        (tmp_path / "services.toml").write_text(SERVICE.format(url=url, credential=credential))
        return await start_agent(
            "Human",
            SERVICES_FILE=str(tmp_path / "services.toml"),
            CONVERSATIONS_URL=f"sqlite:///{tmp_path}/conversations.db",
            CALLER_CLAIMS="groups",
        )

    return start


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.replace(" ", "_and_"))
async def test_every_surface_shows_whose_rights_a_call_uses(kind: str, agent_with: Any, sandbox: Any) -> None:
    credential, label, sentence = KINDS[kind]
    agent = await agent_with(credential)
    alice = sandbox.access_token("alice")
    headers = {"Authorization": f"Bearer {alice}"}

    async def get(path: str) -> Any:
        return (await agent.http.get(f"{agent.origin}{path}", headers=headers)).raise_for_status().json()

    async def chat(question: str, thread: str) -> list[dict[str, Any]]:
        body = {
            "messages": [{"role": "user", "content": question}],
            "stream": True,
            "metadata": {"thread_id": thread},
        }
        url = f"{agent.origin}/openai/v1/chat/completions"
        text = (await agent.http.post(url, json=body, headers=headers)).text
        chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        return [chunk["agent_event"] for chunk in chunks if "agent_event" in chunk]

    # OpenAI's API: calls, and what waits.
    started, finished = await chat(LOOK, "read")
    assert (started["credential_kind"], finished["credential_kind"]) == (kind, kind)
    [waits] = await chat(CHANGE, "waits")
    assert waits["approval"]["credential_kind"] == kind

    # What is stored, and the API of conversations.
    stored = (await get("/threads/read"))["messages"]
    assert [m["metadata"]["idaas-agent"]["credential_kind"] for m in stored if m["role"] == "tool"] == [kind]
    [approval] = (await get("/threads/waits"))["approvals"]
    assert approval["credential_kind"] == kind
    [service] = [each for each in (await get("/rights"))["services"] if each["name"] == "reports"]
    assert service["credential_kind"] == kind

    # AG-UI.
    run = {"threadId": "ui", "runId": "r", "state": {}, "tools": [], "context": [], "forwardedProps": {}}
    question = {"id": "q", "role": "user", "content": CHANGE}
    body = run | {"messages": [question]}
    text = (await agent.http.post(f"{agent.origin}/ag-ui/agent", json=body, headers=headers)).text
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    [start] = [event for event in events if event["type"] == "TOOL_CALL_START"]
    assert start["metadata"]["idaas-agent"]["credential_kind"] == kind
    [interrupt] = events[-1]["outcome"]["interrupts"]
    assert interrupt["metadata"]["idaas-agent"]["credential_kind"] == kind
    assert sentence in interrupt["message"]

    # An approver, over the API.
    bob = {"Authorization": f"Bearer {sandbox.access_token('bob', groups=['finance'])}"}
    await chat(PAY, "asks-another")
    [asked] = (await agent.http.get(f"{agent.origin}/approvals", headers=bob)).json()["asked"]
    assert asked["credential_kind"] == kind

    # The terminal.
    variables = {"IDAAS_AGENT_ACCESS_TOKEN": alice}
    for question in (LOOK, CHANGE):
        given = ["chat", "--url", agent.origin, question]
        result = await asyncio.to_thread(CliRunner().invoke, app, given, env=variables)
        assert f" {label} [Human]" in result.stdout + result.stderr
