"""The log of requests has one line for each, without headers, queries and credentials."""

import io
import json
import logging
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from agent.http.request_log import request_log
from agent.operations.log_lines import JsonLines
from identity.observation.request_context import user_hash
from identity.principal import Principal
from sandbox.faults.faults import Fault
from tests.agent.conftest import AgentServer

CHAT = "/openai/v1/chat/completions"


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(JsonLines().format(r)) for r in caplog.records if r.name == "idaas_agent.request"]


async def test_request_is_one_line_without_query_and_headers(
    agent_server: AgentServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with agent_server.client() as http:
        response = await http.get("/openai/v1/models", params={"secret": "in-the-query"})
    agent_server.stop()
    (line,) = [line for line in lines(caplog) if line["path"] == "/openai/v1/models"]
    assert line["status"] == 200
    assert line["request_id"] == response.headers["x-request-id"]
    assert "in-the-query" not in json.dumps(line)


@pytest.mark.promise("no-internals-shown", "no-secret-leaves")
async def test_unexpected_error_is_shown_and_logged_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError("canary")

    caplog.set_level(logging.DEBUG)
    transport = httpx.ASGITransport(request_log(broken))
    async with httpx.AsyncClient(transport=transport, base_url="http://agent") as http:
        response = await http.get("/health")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (500, "internal_error")
    assert error["request_id"] == response.headers["x-request-id"]
    (line,) = lines(caplog)
    assert (line["failure"], line["level"]) == ("LookupError", "error")
    assert "canary" not in response.text + caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abc.def-1",
        "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIi.c2ln",
        "key sk-0123456789abcdef",
    ],
)
def test_text_in_the_form_of_a_credential_is_masked(text: str) -> None:
    record = logging.LogRecord("any", logging.INFO, "", 0, text, None, None)
    shown = json.loads(JsonLines().format(record))["message"]
    assert "[masked]" in shown
    assert not {"abc.def-1", "c2ln", "0123456789abcdef"} & set(shown.replace(".", " ").split())


async def test_disconnected_client_is_not_logged_as_a_failure(
    agent_server: AgentServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    agent_server.sandbox.cloud.settings.model_token_delay = 0.05
    body = {"input": {"messages": [{"role": "user", "content": "hello"}]}}
    async with agent_server.client() as http, http.stream("POST", "/agent/stream", json=body) as response:
        async for text in response.aiter_text():
            if "event: data" in text:
                break
    agent_server.stop()
    (line,) = [line for line in lines(caplog) if line["path"] == "/agent/stream"]
    assert line["level"] == "info"


async def test_lines_of_a_request_name_its_user_by_a_hash(
    human_agent_server: AgentServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="idaas_agent")
    handler = logging.StreamHandler(stream := io.StringIO())
    handler.setFormatter(JsonLines())
    log = logging.getLogger("idaas_agent")
    log.addHandler(handler)
    try:
        async with human_agent_server.client() as http:
            await http.get("/openai/v1/models")
            await http.get("/openai/v1/models", headers={"Authorization": "Bearer none"})
            human_agent_server.sandbox.cloud.faults.set("model_studio", Fault(status=500))
            await http.post(CHAT, json={"messages": [{"role": "user", "content": "Hello!"}]})
        human_agent_server.stop()
    finally:
        log.removeHandler(handler)
    written = [json.loads(line) for line in stream.getvalue().splitlines()]
    requests = [
        line for line in written if line["logger"] == "idaas_agent.request" and line["path"] != "/health"
    ]
    alice = user_hash(Principal(human_agent_server.sandbox.issuer, "user_alice01"))
    assert [line.get("user") for line in requests] == [alice, None, alice]
    (failure,) = [
        line for line in written if line["logger"] == "idaas_agent.failure" and "model" in line["code"]
    ]
    assert (failure["user"], failure["request_id"]) == (alice, requests[2]["request_id"])
