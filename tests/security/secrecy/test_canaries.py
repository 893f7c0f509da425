"""No secret of a run leaves the agent: on any surface, for any outcome, in any output, or in the database."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.tracers import context as tracers

from agent.operations.metrics.prometheus_text import prometheus_text
from agent.runs.run import whole_run
from identity.errors import AgentError
from identity.secrets.secret import Secret
from identity.transport.retry import RetryPolicy
from sandbox.faults.faults import Fault
from tests.recorded_spans import Spans
from tests.running_agent import ENTERPRISE, WEATHER
from tests.security.secrecy.canaries import Canaries, leaks, secrets_of, with_locals
from tests.security.secrecy.mirrors import malformed_token, mirror, oauth_error, openai_error, spoken
from tests.security.surfaces import SURFACES
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("no-secret-leaves")


AT_ONCE = RetryPolicy(sleep=lambda _: asyncio.sleep(0))


class Heard(BaseCallbackHandler):
    """A tracer that is installed for the whole process: keeps what it receives."""

    texts: ClassVar[list[tuple[str, str]]] = []

    def __getattribute__(self, name):
        if not name.startswith("on_"):
            return super().__getattribute__(name)

        def received(*args, **kwargs):
            Heard.texts.append((f"callback {name}", repr(args) + repr(kwargs)))

        return received


@pytest.fixture
def heard(monkeypatch):
    """What every callback of LangChain in this process receives."""
    Heard.texts = []
    monkeypatch.setenv("TESTS_HEAR_ALL", "true")
    monkeypatch.setattr(tracers, "_configure_hooks", list(tracers._configure_hooks))
    tracers.register_configure_hook(tracers.run_collector_var, True, Heard, "TESTS_HEAR_ALL")
    return Heard.texts


@pytest.fixture
def logged(caplog):
    """All log records of all libraries at DEBUG, with their attributes."""
    caplog.set_level(logging.DEBUG)
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and logger.level != logging.NOTSET:  # else its parent's
            caplog.set_level(logging.DEBUG, logger=name)
    caplog.handler.setFormatter(logging.Formatter("%(message)s"))

    def texts():
        for record in caplog.records:
            shown = record.getMessage() + repr(vars(record))
            if record.exc_info and record.exc_info[1]:
                shown += with_locals(record.exc_info[1])
            yield f"logger {record.name}", shown

    return texts


async def _answered(start, sandbox, identity, **_):
    return await start(identity)


def _mirrored(variable, content=lambda seen: seen, status=200):
    async def start_with(start, sandbox, identity, serve, **_):
        origin = await serve(mirror(status, content))
        return await start(identity, **{variable: f"{origin}/v1"})

    return start_with


def _idaas_mirrored(member, content, status=400):
    def configured(environment, path, origin):
        configuration = json.loads(Path(environment["CLOUD_IDAAS_CONFIG_PATH"]).read_text())
        configuration[member] = origin + ("/token" if member == "tokenEndpoint" else "")
        path.write_text(json.dumps(configuration))
        return str(path)

    async def start_with(start, sandbox, identity, serve, tmp_path, **_):
        folder = sandbox.running.folder
        certificate = {"ssl_certfile": folder / "localhost.pem", "ssl_keyfile": folder / "localhost-key.pem"}
        origin = await serve(mirror(status, content), **certificate)
        path = configured(sandbox.environment, tmp_path / "idaas.json", origin)
        return await start(identity, CLOUD_IDAAS_CONFIG_PATH=path)

    return start_with


def _faulty(service, fault, **variables):
    async def start_with(start, sandbox, identity, **_):
        sandbox.cloud.faults.set(service, fault)
        return await start(identity, **variables)

    return start_with


OUTCOMES = {
    "answered": _answered,
    "the enterprise service echoes": _mirrored("ENTERPRISE_SERVICE_URL"),
    "the enterprise service echoes with 401": _mirrored("ENTERPRISE_SERVICE_URL", status=401),
    "the enterprise service echoes with 500": _mirrored("ENTERPRISE_SERVICE_URL", status=500),
    "the MCP server echoes": _mirrored("EXTERNAL_SERVER_URL"),
    "the MCP server echoes with 401": _mirrored("EXTERNAL_SERVER_URL", status=401),
    "the model says its key": _mirrored("LLM_BASE_URL", spoken),
    "the model refuses with the key": _mirrored("LLM_BASE_URL", openai_error, 401),
    "the model's request is bad, says it with the key": _mirrored("LLM_BASE_URL", openai_error, 400),
    "IDaaS refuses with the token": _idaas_mirrored("tokenEndpoint", oauth_error),
    "IDaaS issues what cannot be used": _idaas_mirrored("tokenEndpoint", malformed_token, 200),
    "the Developer API refuses with the token": _idaas_mirrored("developerApiEndpoint", oauth_error, 403),
    "the connection breaks": _faulty("function_compute", Fault(drop=True)),
    "the model's stream breaks": _faulty("model_studio.stream", Fault(drop=True)),
    "IDaaS breaks off": _faulty("idaas.token", Fault(broken_body=True)),
    "out of time": _faulty("function_compute", Fault(hang=True), RUN_TIMEOUT_SECONDS="0.25"),
}
UNDER_MACHINE = [surface for surface in SURFACES if surface.__name__ in ("chat", "stream", "stream_events")]
"""Surfaces are the same under both identities; these cover a whole response, a stream and events."""

ENDS_WELL = {"answered", "the MCP server echoes", "the MCP server echoes with 401"}


@pytest.mark.parametrize(
    ("outcome", "access_identity"),
    [
        *((outcome, "Human") for outcome in OUTCOMES),
        ("answered", "Machine"),
        ("the enterprise service echoes with 401", "Machine"),
        ("the model says its key", "Machine"),
        ("IDaaS refuses with the token", "Machine"),
    ],
)
async def test_no_secret_leaves_by_any_surface(
    start_agent, sandbox, serve, tmp_path, logged, heard, outcome, access_identity
):
    token = sandbox.access_token()
    canaries = secrets_of(sandbox, token)
    audit = tmp_path / "audit.jsonl"

    spans = Spans()

    async def start(identity, **variables):
        recorded = {"AUDIT_LOG_FILE": str(audit), "AUDIT_REQUIRED": "true", "MAX_TOOL_ROUNDS": "2"}
        return await start_agent(identity, spans=spans, **recorded, **variables)

    agent = await OUTCOMES[outcome](start, sandbox, access_identity, serve=serve, tmp_path=tmp_path)
    agent.composed.http.event_hooks = {"response": [canaries.watch]}
    agent.composed.idaas.retries = AT_ONCE
    seen = []
    for surface in SURFACES if access_identity == "Human" or outcome == "answered" else UNDER_MACHINE:
        for question in (ENTERPRISE,) if outcome not in ENDS_WELL else (ENTERPRISE, WEATHER):
            response = await surface(agent, question, {"Authorization": f"Bearer {token}"})
            seen.append((f"{surface.__name__} {question}", f"{response.headers} {response.text}"))
            if outcome == "answered":
                assert response.status_code == 200
    failure = await failure_of(agent, sandbox, token)
    seen += [("an exception", failure), ("/ready", (await agent.ready()).text)]
    seen += [("the audit log", audit.read_text()), *logged(), *heard]
    seen += [
        *spans.texts(),
        ("metrics", prometheus_text(agent.composed.measures.metrics.read(), "")[0].decode()),
    ]
    assert {place.split()[0] for place, _ in seen} >= {"logger", "callback", "chat", "span", "metrics"}
    assert leaks(canaries, seen) == []
    assert "model_studio:credential_in_prompt" not in sandbox.cloud.counters.snapshot()


async def failure_of(agent, sandbox, token) -> str:
    """How the run's exception would be reported, if the run has one."""
    caller = await agent.composed.verifier.verify(Secret(token))
    run = agent.composed.runs.start([("user", ENTERPRISE)], caller, streaming=True)
    try:
        await whole_run(run)
    except AgentError as error:
        return with_locals(error, without=1)  # this frame, which knows the token
    return ""


async def test_langgraph_server_keeps_no_secret_of_runs_that_fail(langgraph_server, sandbox):
    token = sandbox.access_token()
    canaries = secrets_of(sandbox, token)
    client, seen = langgraph_server.client(token), []
    for service in ("function_compute", "idaas.token", "model_studio"):
        sandbox.cloud.faults.set(service, Fault(status=401))
        thread = (await client.threads.create())["thread_id"]
        question = {"messages": [{"role": "user", "content": ENTERPRISE}]}
        modes = ["values", "updates", "messages-tuple", "custom", "debug", "events"]
        parts = client.runs.stream(thread, "agent", input=question, stream_mode=modes)
        seen += [(f"stream {part.event}", repr(part.data)) async for part in parts]
        kept = (client.threads.get(thread), client.threads.get_state(thread), client.runs.list(thread))
        seen += [("a thread", repr(await received)) for received in kept]
        sandbox.cloud.faults.clear()
    files = (file for file in langgraph_server.folder.rglob("*") if file.is_file())
    seen += [(file.name, file.read_text(encoding="latin-1")) for file in files]
    assert {"stream error", "stream custom", "log"} <= {place for place, _ in seen}
    assert leaks(canaries, seen) == []


STORED = {
    "a JWT": 'issued_jwt = { provider = "service_jwt", audience = "https://reports.example" }',
    "a cloud role": 'cloud_role = { role = "acs:ram::1000000000000001:role/report-reader" }',
    "an OAuth token": 'oauth_token = { provider = "calendar_rooms" }',
}
REPORT_TOOL = '''
def service(reports, settings):
    @reports.tool
    async def sales_report(http, month: str) -> str:
        """Gets the sales report of a month."""
        return (await http.post(month, json={"month": month})).text
'''


@pytest.mark.parametrize(
    ("kind", "status"),
    [("a JWT", 200), ("a cloud role", 401), ("an OAuth token", 200), ("an OAuth token", 401)],
)
async def test_no_credential_of_the_store_leaves_when_the_service_echoes_it(
    start_agent, sandbox, serve, tmp_path, logged, heard, kind, status
):
    token, audit = sandbox.access_token(), tmp_path / "audit.jsonl"
    canaries = secrets_of(sandbox, token)
    (tmp_path / "reports.py").write_text(REPORT_TOOL)
    entry = f'[services.reports]\ntype = "http"\nurl = "{await serve(mirror(status))}"\n'
    (tmp_path / "services.toml").write_text(f'{entry}python = "reports.py:service"\n{STORED[kind]}\n')
    agent = await start_agent(
        "Human", SERVICES_FILE=str(tmp_path / "services.toml"), AUDIT_LOG_FILE=str(audit), MAX_TOOL_ROUNDS="2"
    )
    agent.composed.http.event_hooks = {"response": [canaries.watch]}
    seen, question = [], 'call sales_report with {"month": "2026-10"}'
    for surface in SURFACES:
        response = await surface(agent, question, {"Authorization": f"Bearer {token}"})
        seen.append((surface.__name__, f"{response.headers} {response.text}"))
    seen += [("the audit log", audit.read_text()), *logged(), *heard]
    issued = f"{kind.split()[-1].lower()}_issue"
    assert f'{issued}"' in audit.read_text()
    assert len(canaries.by_name) > len(secrets_of(sandbox, token).by_name) + 1
    assert leaks(canaries, seen) == []


APPLY = "Apply for three days of leave from Monday"


def stored(folder: Path) -> list[tuple[str, str]]:
    """Every file of the database, whatever is still in its pages."""
    return [(f"the file {file.name}", file.read_bytes().decode("latin-1")) for file in folder.iterdir()]


async def test_database_and_routes_of_conversations_contain_no_secret(
    start_agent: Any, sandbox: Sandbox, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/conversations/conversations.db"
    agent = await start_agent("Human", CONVERSATIONS_URL=url)
    token = sandbox.access_token()
    canaries: Canaries = secrets_of(sandbox, token)
    agent.composed.http.event_hooks = {"response": [canaries.watch]}

    async def ask(method: str, path: str, body: Any = None) -> tuple[str, str]:
        headers = {"Authorization": f"Bearer {token}"}
        response = await agent.http.request(method, agent.origin + path, json=body, headers=headers)
        assert response.status_code < 300, response.text
        return f"{method} {path}", f"{response.headers} {response.text}"

    seen = []
    for question in (ENTERPRISE, WEATHER, APPLY):
        messages = [{"role": "user", "content": question}]
        body = {"messages": messages, "stream": True, "metadata": {"thread_id": "t"}}
        seen.append(await ask("POST", "/openai/v1/chat/completions", body))
    paths = ("/threads", "/threads/t", "/threads/t/messages", "/threads/t/export", "/threads/t/events")
    seen += [await ask("GET", path) for path in paths]
    files = stored(tmp_path / "conversations")
    assert any("leave_apply" in text for _, text in files)  # the checkpoint of the run that waits
    seen += files
    [pending] = await agent.composed.kept.conversations.pending(await caller(agent, token), "t")
    seen.append(await ask("POST", f"/threads/t/approvals/{pending.request.id}", {"decision": "approve"}))
    seen.append(await ask("GET", "/threads/t/events"))
    assert len(canaries.by_name) > 5
    assert leaks(canaries, [*seen, *stored(tmp_path / "conversations")]) == []


async def caller(agent: Any, token: str) -> Any:
    return await agent.composed.verifier.verify(Secret(token))
