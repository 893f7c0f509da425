"""A user's rights end on a running agent: by an event of IDaaS, and by an operator."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from agent.commands.command_line import app
from tests.agent.conftest import AgentServer, running_agent
from tests.databases.postgres_process import PostgresProcess, postgres_process
from tests.every_surface import of_plugins
from tests.loopback import NO_TLS
from tests.suite import Sandbox
from tests.until import until, wait_until

pytestmark = pytest.mark.promise("revoked-refused")

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Call my enterprise service"}]}
CHAT = "/openai/v1/chat/completions"


@pytest.fixture
def revocations(tmp_path: Path) -> Path:
    return tmp_path / "revocations.sqlite"


@pytest.fixture
def agent(sandbox: Sandbox, tmp_path: Path, revocations: Path) -> Iterator[AgentServer]:
    audit = {"AUDIT_LOG_FILE": str(tmp_path / "audit.jsonl"), "AUDIT_REQUIRED": "true"}
    variables = {"REVOCATIONS_FILE": str(revocations), "MAX_REQUESTS_PER_MINUTE": "0", **audit}
    with running_agent(sandbox, ACCESS_IDENTITY="Human", **variables) as server:
        sandbox.cloud.user_events_url = f"{server.url}/events/idaas"
        yield server


async def change(sandbox: Sandbox, action: str, user: str = "alice") -> dict[str, object]:
    """Changes a user as an administrator does; the agent's response to the event."""
    async with httpx.AsyncClient(timeout=30, verify=NO_TLS) as http:
        response = await http.post(sandbox.url(f"/__sandbox__/users/{user}/{action}", "idaas_plain"))
    reported: dict[str, object] = response.json()["reported"]
    return reported


def restarted(agent: AgentServer, revocations: Path) -> AbstractContextManager[AgentServer]:
    return running_agent(agent.sandbox, ACCESS_IDENTITY="Human", REVOCATIONS_FILE=str(revocations))


async def test_disabled_user_is_refused_at_once_and_others_are_not(agent: AgentServer) -> None:
    sandbox = agent.sandbox
    async with agent.client() as alice, agent.client("bob") as bob:
        assert (await alice.post(CHAT, json=QUESTION)).status_code == 200
        reported = await change(sandbox, "disable")
        assert [len(events) for events in reported.values()] == [1, 0, 0, 0]
        refused = await alice.post(CHAT, json=QUESTION)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "access_revoked")
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
        assert (await bob.post(CHAT, json=QUESTION)).status_code == 200
        sandbox.clock.advance(1)
        await change(sandbox, "enable")
        assert (await alice.post(CHAT, json=QUESTION)).status_code == 200


async def test_running_request_of_a_disabled_user_ends(agent: AgentServer) -> None:
    sandbox = agent.sandbox
    sandbox.cloud.settings.model_first_token_delay = 60
    async with agent.client() as alice:
        answer = asyncio.create_task(alice.post(CHAT, json=QUESTION))
        await until(lambda: "model_studio:chat.completions" in sandbox.cloud.counters.snapshot())
        await change(sandbox, "disable")
        async with asyncio.timeout(60):
            refused = await answer
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "access_revoked")


async def test_running_stream_of_a_disabled_user_ends_with_an_error_event(agent: AgentServer) -> None:
    sandbox = agent.sandbox
    sandbox.cloud.settings.model_token_delay = 0.05
    async with agent.client() as alice:
        request = alice.build_request("POST", CHAT, json=QUESTION | {"stream": True})
        response = await alice.send(request, stream=True)
        lines = response.aiter_lines()
        assert (await anext(lines)).startswith("data: ")
        await change(sandbox, "disable")
        async with asyncio.timeout(60):
            rest = [line async for line in lines if line]
    assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "access_revoked"


async def test_token_issued_after_the_event_is_accepted(agent: AgentServer) -> None:
    sandbox = agent.sandbox
    await change(sandbox, "update_password")
    async with agent.client() as alice:
        assert (await alice.post(CHAT, json=QUESTION)).status_code == 401
    sandbox.clock.advance(1)
    async with agent.client() as alice:
        assert (await alice.post(CHAT, json=QUESTION)).status_code == 200


async def test_revocation_is_in_force_after_a_restart(agent: AgentServer, revocations: Path) -> None:
    headers = agent.headers()
    await change(agent.sandbox, "disable")
    agent.stop()
    with restarted(agent, revocations) as second:
        async with httpx.AsyncClient(headers=headers) as alice:
            refused = await alice.post(second.url + CHAT, json=QUESTION)
    assert refused.json()["error"]["code"] == "access_revoked"


async def test_revocation_is_in_force_in_other_processes(agent: AgentServer, revocations: Path) -> None:
    with restarted(agent, revocations) as second:
        async with httpx.AsyncClient(headers=agent.headers(), base_url=second.url) as alice:
            assert (await alice.post(CHAT, json=QUESTION)).status_code == 200
            await change(agent.sandbox, "disable")
            await accepted(second, agent.headers(), 401)
            assert (await alice.post(CHAT, json=QUESTION)).status_code == 401


SURFACES = {
    "OpenAI's models": ("GET", "/openai/v1/models"),
    "OpenAI's chat": ("POST", CHAT),
    "AG-UI": ("POST", "/ag-ui/agent"),
    "LangServe": ("POST", "/agent/invoke"),
    "threads": ("GET", "/threads"),
    "approvals": ("GET", "/approvals"),
    "rights": ("GET", "/rights"),
    "unknown": ("GET", "/nowhere"),
    **{path: (method, path) for method, path in of_plugins("ROUTES")},
}


async def test_agent_that_starts_while_postgresql_is_away_serves_nobody_until_it_has_read_the_revocations(
    sandbox: Sandbox, own_postgres: PostgresProcess
) -> None:
    variables = {"CONVERSATIONS_URL": own_postgres.url, "ACCESS_IDENTITY": "Human"}
    with running_agent(sandbox, **variables) as before:
        alice, bob = before.headers(), before.headers("bob")
        sandbox.cloud.user_events_url = f"{before.url}/events/idaas"
        reported = await change(sandbox, "disable")
        assert [len(events) for events in reported.values()] == [1, 0, 0, 0]
    await asyncio.to_thread(own_postgres.stop)
    with running_agent(sandbox, MAX_REQUESTS_PER_MINUTE="0", **variables) as agent:
        async with httpx.AsyncClient(base_url=agent.url, timeout=60) as http:
            for headers in (alice, bob):
                for surface, (method, path) in SURFACES.items():
                    refused = await http.request(method, path, headers=headers, json={})
                    found = refused.status_code, refused.json()["error"]["code"]
                    assert found == (503, "revocations_unavailable"), surface
            invalid = await http.get("/openai/v1/models", headers={"Authorization": "Bearer a.b.c"})
            assert invalid.status_code == 401
            assert (await http.get("/ready")).status_code == 503
            await asyncio.to_thread(own_postgres.start)
            await accepted(agent, bob, 200)
            await accepted(agent, alice, 401)
            await asyncio.to_thread(own_postgres.stop)
            for headers, expected in ((alice, 401), (bob, 200)):
                response = await http.get("/openai/v1/models", headers=headers)
                assert response.status_code == expected, "from then on, what is known is in force"


@pytest.fixture
def own_postgres() -> Iterator[PostgresProcess]:
    with postgres_process() as server:
        yield server


@pytest.fixture
def unwritable(agent: AgentServer, revocations: Path) -> None:
    """Since the start of the agent, which has recorded in the file that it lives."""

    def is_used() -> bool:
        with closing(sqlite3.connect(revocations)) as database, suppress(sqlite3.OperationalError):
            return bool(database.execute("SELECT 1 FROM processes").fetchall())
        return False

    wait_until(is_used)
    for file in revocations.parent.glob(f"{revocations.name}*"):
        file.unlink()
    revocations.mkdir()


@pytest.mark.usefixtures("unwritable")
async def test_event_that_cannot_be_stored_is_in_force_and_sent_again(agent: AgentServer) -> None:
    reported = await change(agent.sandbox, "disable")
    assert [event["eventCode"] for event in reported["retriedEvents"]] == ["exception"]
    async with agent.client() as alice:
        assert (await alice.post(CHAT, json=QUESTION)).status_code == 401


async def test_revocations_are_in_the_audit_log(agent: AgentServer, tmp_path: Path) -> None:
    await change(agent.sandbox, "disable")
    agent.sandbox.clock.advance(1)
    await change(agent.sandbox, "enable")
    agent.stop()
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    found = [
        (line["event"], line["outcome"], line["client"], line["principal"]["sub"])
        for line in lines
        if line["event"].startswith("access_")
    ]
    assert found == [
        ("access_revoked", "succeeded", "idaas", "user_alice01"),
        ("access_restored", "succeeded", "idaas", "user_alice01"),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"event":"a.b.c"}', b"x" * 300_000, json.dumps({"event": "a" * 5000}).encode()]
)
async def test_unsigned_request_is_refused_without_a_detail(agent: AgentServer, body: bytes) -> None:
    async with agent.client(None) as http:
        response = await http.post("/events/idaas", content=body)
    assert (response.status_code, response.json()) == (
        401,
        {"error": "bad_request", "errorDescription": "the request is not signed by IDaaS for this agent"},
    )
    assert agent.sandbox.cloud.counters.snapshot().get("idaas:provisioning_jwks", 0) == 0


async def test_test_event_of_the_console_succeeds(agent: AgentServer) -> None:
    reported = await change(agent.sandbox, "test")
    assert [len(events) for events in reported.values()] == [1, 0, 0, 0]
    async with agent.client() as alice:
        assert (await alice.post(CHAT, json=QUESTION)).status_code == 200


def test_route_does_not_exist_without_the_variables(sandbox: Sandbox) -> None:
    none = {"IDAAS_EVENTS_APPLICATION_ID": "", "IDAAS_EVENTS_JWKS_ENDPOINT": ""}
    with running_agent(sandbox, **none) as server:
        with httpx.Client(base_url=server.url) as stranger:
            assert stranger.post("/events/idaas", json={}).status_code == 401
        signed_in = httpx.post(f"{server.url}/events/idaas", json={}, headers=server.headers())
        assert signed_in.status_code == 404


def kept(revocations: Path) -> str:
    return "".join(each.read_text("latin-1") for each in revocations.parent.glob(f"{revocations.name}*"))


def run(
    agent: AgentServer, revocations: Path, *arguments: str, variables: Any = None, **options: str
) -> tuple[int, str]:
    own = {"REVOCATIONS_FILE": str(revocations), "AUDIT_LOG_FILE": str(revocations.parent / "audit.jsonl")}
    given = agent.sandbox.environment | own | (variables or {})
    result = CliRunner().invoke(app, list(arguments), env=given, **options)
    return result.exit_code, result.output


async def command(*arguments: Any, **options: Any) -> tuple[int, str]:
    """`run` in a thread: a command has an event loop of its own."""
    return await asyncio.to_thread(run, *arguments, **options)


async def accepted(agent: AgentServer, headers: dict[str, str], expected: int) -> None:
    """Returns when a request of `headers` has the status, as every running agent soon gives it. An agent that
    limits requests would refuse these for the rest of a minute.
    """
    async with (
        httpx.AsyncClient(base_url=agent.url, headers=headers, verify=NO_TLS) as http,
        asyncio.timeout(60),
    ):
        while (await http.get("/openai/v1/models")).status_code != expected:  # noqa: ASYNC110 - another thread reads what is stored
            await asyncio.sleep(0.05)


async def test_operator_revokes_and_restores_a_user(agent: AgentServer, revocations: Path) -> None:
    alice, bob = agent.headers(), agent.headers("bob")
    await accepted(agent, alice, 200)  # and is on record
    status, output = await command(agent, revocations, "revoke", "--user", "user_alice01")
    assert status == 0, output
    await accepted(agent, alice, 401)
    await accepted(agent, bob, 200)
    _, listed = await command(agent, revocations, "revoke", "--list")
    assert "operator  access tokens of user_alice01 issued until" in listed
    assert (await command(agent, revocations, "unrevoke", "--user", "user_alice01"))[0] == 0
    await accepted(agent, alice, 200)
    assert "no revocation is in force" in (await command(agent, revocations, "revoke", "--list"))[1]


@pytest.mark.parametrize("shared", ["postgres", "redis"])
async def test_operator_revokes_in_what_replicas_share_from_any_machine(sandbox, tmp_path, shared, request):
    url = request.getfixturevalue(shared).url
    variables = {"CONVERSATIONS_URL" if shared == "postgres" else "REDIS_URL": url}
    variables |= {"MAX_REQUESTS_PER_MINUTE": "0", "AUDIT_LOG_FILE": ""}
    agents, own = tmp_path / "agents" / "file", tmp_path / "own" / "file"
    with running_agent(sandbox, ACCESS_IDENTITY="Human", REVOCATIONS_FILE=str(agents), **variables) as agent:
        alice = agent.headers()
        given = sandbox.environment | variables | {"REVOCATIONS_FILE": str(own)}

        async def operator(*arguments: str) -> str:
            result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=given)
            assert result.exit_code == 0, result.output
            return result.output

        await operator("revoke", "--user", "user_alice01")
        await accepted(agent, alice, 401)
        assert "access tokens of user_alice01" in await operator("revoke", "--list")
        await operator("unrevoke", "--user", "user_alice01")
        await accepted(agent, alice, 200)
    assert (agents.parent.exists(), own.parent.exists()) == (shared == "redis", False)


async def test_revoking_a_user_whom_the_agent_has_not_seen_offers_those_that_match(sandbox, tmp_path):
    revocations = tmp_path / "revocations"
    audit = {"AUDIT_REQUIRED": "true", "AUDIT_LOG_FILE": str(tmp_path / "audit.jsonl")}
    given = {**audit, "REVOCATIONS_FILE": str(revocations)}
    with running_agent(sandbox, **given) as agent:
        await accepted(agent, agent.headers(), 200)
        await accepted(agent, agent.headers("bob"), 200)
        for _ in range(2):  # the first one is on record, too
            status, output = await command(agent, revocations, "revoke", "--user", "Alice", variables=given)
            assert status == 1
            assert "did you mean: " in output
            assert "revoke --user user_alice01" in output
            assert "user_bob01" not in output
        status, output = await command(
            agent, revocations, "revoke", "--user", "user_alice01", variables=given
        )
        assert (status, "did you mean" in output) == (0, False)
        await accepted(agent, agent.headers(), 401)


async def test_operator_revokes_one_token(agent: AgentServer, revocations: Path) -> None:
    leaked, other = agent.headers(), agent.headers()
    token = leaked["Authorization"].removeprefix("Bearer ")
    status, output = await command(agent, revocations, "revoke", "--token", input=f"{token}\n")
    assert status == 0
    assert token not in output
    assert token not in kept(revocations)
    await accepted(agent, leaked, 401)
    await accepted(agent, other, 200)


async def test_operator_revokes_all_tokens_until_now(agent: AgentServer, revocations: Path) -> None:
    assert (await command(agent, revocations, "revoke", "--all-before", "now"))[0] == 0
    await accepted(agent, agent.headers(), 401)
    assert (await command(agent, revocations, "unrevoke", "--all"))[0] == 0
    await accepted(agent, agent.headers(), 200)


@pytest.mark.parametrize(
    "arguments",
    [
        ("revoke",),
        ("revoke", "--user", "a", "--all-before", "now"),
        ("revoke", "--token-hash", "abc"),
        ("revoke", "--all-before", "yesterday"),
        ("revoke", "--all-before", "2026-11-25T09:00:00"),
        ("revoke", "--user", ""),
        ("unrevoke",),
    ],
)
def test_invalid_command_changes_nothing(agent, revocations, arguments):
    status, output = run(agent, revocations, *arguments)
    assert status == 1
    assert "Traceback" not in output
    _, listed = run(agent, revocations, "revoke", "--list")
    assert "no revocation is in force" in listed
