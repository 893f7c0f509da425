"""Without a setting that requires content, no telemetry has what people, models and services write.

That it has no credential is tested with all other outputs (`test_canaries`).
"""

import json
import logging
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from agent.operations.log_lines import JsonLines
from agent.operations.metrics.prometheus_text import prometheus_text
from tests.recorded_spans import Spans
from tests.recorder import Recorder
from tests.security.surfaces import SURFACES

pytestmark = pytest.mark.promise("no-secret-leaves")

QUESTION, ARGUMENT, RESULT, FAULT, QUERY, PATH, BAGGAGE = (
    f"canary{name}" for name in ("Question", "argument", "result", "fault", "query", "path", "baggage")
)
TOOLS = f"""
def service(notes, settings):
    @notes.tool
    async def find_note(http, title: str) -> str:
        "Finds a note by its title."
        return (await http.get(title, params={{"{QUERY}": title}})).text

    @notes.tool
    async def break_note(http, title: str) -> str:
        "Breaks a note with a title."
        raise ValueError(f"{FAULT} {{title}}")
"""


async def conversation(agent, question, headers):
    """A conversation that is stored, read, followed and deleted."""
    body = {"messages": [{"role": "user", "content": question}], "metadata": {"thread_id": "thread-1"}}
    asked = await agent.http.post(f"{agent.origin}/openai/v1/chat/completions", json=body, headers=headers)
    assert asked.status_code == 200
    thread = f"{agent.origin}/threads/thread-1"
    for method, path in (("GET", ""), ("GET", "/messages"), ("GET", "/events"), ("DELETE", "")):
        await agent.http.request(method, thread + path, headers=headers)


@pytest.fixture
def lines() -> Any:
    """Formatted lines of the agent's own loggers."""
    written: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(JsonLines().format(record))

    handlers = [(logging.getLogger(name), Lines()) for name in ("idaas_agent", "graph", "tools", "identity")]
    for logger, handler in handlers:
        logger.addHandler(handler)
    yield written
    for logger, handler in handlers:
        logger.removeHandler(handler)


def scripted(*calls: tuple[str, str]) -> Recorder:
    """A model that makes `calls`, then responds with text."""

    async def respond(request: Request) -> JSONResponse:
        body = await request.json()
        made = sum(message["role"] == "tool" for message in body["messages"])
        message: dict[str, Any] = {"role": "assistant", "content": f"{RESULT} in the end"}
        if made < len(calls):
            name, title = calls[made]
            function = {"name": name, "arguments": json.dumps({"title": title})}
            call = {"id": f"{ARGUMENT}{made}", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        finish = "tool_calls" if made < len(calls) else "stop"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return JSONResponse({"model": RESULT, "choices": [choice]})

    return Recorder(respond)


async def test_telemetry_has_neither_content_nor_texts_of_exceptions_nor_queries(
    start_agent, sandbox, serve, tmp_path, lines
):
    received: list[dict[str, str]] = []

    async def note(request: Request) -> JSONResponse:
        received.append(dict(request.headers))
        return JSONResponse({"note": RESULT}, 200 if len(received) % 2 else 500)

    (tmp_path / "notes.py").write_text(TOOLS)
    (tmp_path / "services.toml").write_text(
        f'[services.notes]\ntype = "http"\nurl = "{await serve(Recorder(note))}/{PATH}?{QUERY}=1"\n'
        'python = "notes.py:service"\n'
    )
    spans, token = Spans(), sandbox.access_token()
    model = scripted(
        ("find_note", ARGUMENT), ("break_note", ARGUMENT), ("find_note", ARGUMENT), (RESULT, "x")
    )
    agent = await start_agent(
        spans=spans,
        SERVICES_FILE=str(tmp_path / "services.toml"),
        LLM_BASE_URL=f"{await serve(model)}/v1",
        CONVERSATIONS_URL=f"sqlite:///{tmp_path}/conversations.db",
        TRACEPARENT_RECEIVERS="services,mcp,model,idaas",
    )
    headers = {"Authorization": f"Bearer {token}", "baggage": BAGGAGE, "tracestate": f"v={BAGGAGE}"}
    for surface in (*SURFACES, conversation):
        await surface(agent, QUESTION, headers)
    await agent.http.get(f"{agent.origin}/{PATH}?{QUERY}=1", headers=headers)
    await agent.http.post(f"{agent.origin}/openai/v1/chat/completions", content=QUESTION, headers=headers)

    metrics = prometheus_text(agent.composed.measures.metrics.read(), "")[0].decode()
    requests = [line for line in lines if '"logger": "idaas_agent.request"' in line]
    others = [line for line in lines if line not in requests]
    seen = [*spans.texts(), ("metrics", metrics), *(("a log line", line) for line in others)]
    seen += [("a request's line", line.replace(f"/{PATH}", "")) for line in requests]
    seen += [("a request downstream", repr(headers)) for headers in received]
    names = {span.name for span in spans}
    assert {"execute_tool find_note", "execute_tool break_note", "invoke_agent idaas-agent"} <= names
    assert "enterprise_service_failed" not in metrics
    assert "service_failed" in metrics
    assert received
    canaries = (QUESTION, ARGUMENT, RESULT, FAULT, QUERY, PATH, BAGGAGE)
    assert [(place, word) for place, text in seen for word in canaries if word in text] == []
