"""The texts for users and for operators: of every failure, on every surface."""

import asyncio
import json
import re
from typing import Any

import pytest

from agent.errors.error_response import error_body, error_response
from agent.errors.error_table import ERROR_CODES, ERROR_TABLE
from graph.tool_calls.requested_calls import failure_text
from identity.errors import (
    AgentError,
    ConfigurationError,
    ErrorCode,
    LimitError,
    ServiceError,
    UnreachableError,
)
from identity.transport.retry import RetryPolicy
from tests.running_agent import GREETING, LEAVE
from tests.security.error_texts.operator_names import NAMES, names_by_place, names_in
from tests.security.error_texts.provoked_failures import FAILURES, UNKNOWN, Failure, unchanged, user_disabled
from tests.security.surfaces import SURFACES
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("no-internals-shown")

ALL_NAMES = " ".join(NAMES)


@pytest.mark.parametrize("code", ERROR_CODES)
def test_only_the_operators_text_of_an_error_contains_names(code: ErrorCode) -> None:
    services = (None, "model", "amap", "enterprise", "leave")
    errors = [
        *(AgentError(code, ALL_NAMES, about=ALL_NAMES, service=service) for service in services),
        UnreachableError(code, ALL_NAMES, retry_after=30),
        LimitError(code, ALL_NAMES),
        ServiceError(code, ALL_NAMES, status=503),
        ConfigurationError(code, [ALL_NAMES]),
    ]
    for error in errors:
        answer = error_response(error, {})
        texts = [str(error), repr(error), str(error.of("leave")), failure_text(error, "leave")]
        texts += [json.dumps(error_body(error)), bytes(answer.body).decode(), str(answer.headers)]
        assert [found for text in texts if (found := names_in(text))] == []
        assert ALL_NAMES in error.detail


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_code_has_a_sentence_for_the_user_that_ends_with_the_reference(code: ErrorCode) -> None:
    text = AgentError(code, "").for_person("1f2e")
    assert re.fullmatch(r"[A-Z][^{}\"]+; reference 1f2e\.", text)
    row = ERROR_TABLE[code]
    assert row.cause not in text
    assert row.remedy not in text


def _errors(body: str) -> list[dict[str, Any]]:
    """The error bodies of a response: the whole, or events of a stream."""
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: {")]
    return [read["error"] for text in lines or [body] if isinstance((read := json.loads(text)), dict)
            and isinstance(read.get("error"), dict)]  # fmt: skip


def _run_errors(body: str) -> list[dict[str, Any]]:
    """The errors that end a stream of AG-UI or A2A: `code`, `message` and what they are `about`."""
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: {")]
    errors = []
    for event in map(json.loads, lines):
        status = event.get("result", {}).get("statusUpdate", {}).get("status", {})
        if event.get("type") == "RUN_ERROR":
            errors.append(event | {"about": event["metadata"]["idaas-agent"]})
        elif status.get("state") == "TASK_STATE_FAILED":
            about = status["message"]["metadata"]["idaas-agent"]
            text = status["message"]["parts"][0]["text"]
            errors.append({"code": about["code"], "message": text, "about": about})
    return errors


def _failed_calls(body: str) -> list[tuple[str, str]]:
    """The results of MCP that are errors: code and message."""
    lines = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: {")]
    results = [json.loads(text).get("result", {}) for text in lines or [body] if text.startswith("{")]
    failed = [each for each in results if isinstance(each, dict) and each.get("isError")]
    return [tuple(each["content"][0]["text"].split(": ", 1)) for each in failed]


def _is_about_the_request(error: dict[str, Any], headers: Any, status: int, failure: Failure) -> None:
    required = {"message", "type", "code", "param", "request_id"}
    assert set(error) - {"service", "retry_after"} == required
    assert error["code"] == failure.code
    assert error["request_id"] == headers["x-request-id"]
    assert error["message"].endswith(f"; reference {error['request_id']}.")
    assert error.get("service") == failure.service
    if "retry-after" in headers:
        assert error["retry_after"] == int(headers["retry-after"])
    elif status != 200:
        assert "retry_after" not in error


# A failure is provoked on a whole response, a stream and every third of the others.
FAILURES_ON = [
    (each, [*SURFACES[:2], *SURFACES[2 + number % 3 :: 3]]) for number, each in enumerate(FAILURES)
]


@pytest.mark.parametrize(
    ("failure", "surfaces"), FAILURES_ON, ids=lambda each: str(each) if isinstance(each, Failure) else ""
)
async def test_callers_and_the_model_receive_the_users_text_and_the_log_has_the_operators(
    start_agent: Any, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, failure: Failure, surfaces: Any
) -> None:
    caplog.set_level("WARNING", logger="idaas_agent.failure")
    jwks_first = failure.code == "jwks_unavailable"
    if jwks_first:  # the keys are fetched as the agent starts
        await failure.change(sandbox)
    agent = await start_agent(failure.identity, **failure.variables)
    agent.composed.idaas.retries = RetryPolicy(sleep=lambda _: asyncio.sleep(0))
    agent.composed.model.chat.root_async_client._calculate_retry_timeout = lambda *_: 0.0
    prompts: list[tuple[str, str]] = []

    async def record(request: Any) -> None:
        prompts.append(("the model", (await request.aread()).decode()))

    hooks = agent.composed.model.chat.http_async_client.event_hooks
    agent.composed.model.chat.http_async_client.event_hooks = {
        **hooks,
        "request": [*hooks.get("request", ()), record],
    }
    await failure.change(sandbox)
    token = sandbox.access_token(failure.user, **failure.token)
    seen, ids = [], set()
    for surface in surfaces:
        response = await surface(agent, failure.question, {"Authorization": f"Bearer {token}"})
        seen.append((surface.__name__, response.text))
        for error in _errors(response.text):
            _is_about_the_request(error, response.headers, response.status_code, failure)
            ids.add(error["request_id"])
        for event in _run_errors(response.text):
            about = event["about"]
            assert (event["code"], about.get("service")) == (failure.code, failure.service)
            assert about["request_id"] == response.headers["x-request-id"]
            assert event["message"].endswith(f"; reference {about['request_id']}.")
            ids.add(about["request_id"])
        for code, message in _failed_calls(response.text):
            assert code == failure.code
            assert message.endswith(f"; reference {response.headers['x-request-id']}.")
            ids.add(response.headers["x-request-id"])
        if response.status_code == 200 and failure.question != GREETING:
            ids.add(response.headers["x-request-id"])
        challenge = response.headers.get("www-authenticate", "")
        seen.append((f"{surface.__name__} challenge", re.sub(r' scope="[^"]*"', "", challenge)))
    assert names_by_place([*seen, *prompts]) == []
    lines = [record.fields for record in caplog.records if record.name == "idaas_agent.failure"]
    row = ERROR_TABLE[failure.code]
    found = {line["request_id"] for line in lines if line["code"] == failure.code}
    assert found
    assert found <= ids
    if failure.question == GREETING and failure.code not in ("rate_limited", "model_call_failed"):
        assert found == ids
    for line in lines:
        if line["code"] == failure.code:
            assert (line["cause"], line["remedy"]) == (row.cause, row.remedy)
            assert line["detail"]
            assert line.get("service") == failure.service


@pytest.mark.parametrize(
    ("variables", "check", "reason"),
    [
        ({"IDAAS_CLIENT_SECRET": "x"}, "model", "invalid_client (status 401"),
        ({"LLM_API_KEY_IDENTIFIER": UNKNOWN}, "model", "credential_not_found (status 404"),
        ({"ENTERPRISE_SERVICE_SCOPE": "https://leave.sandbox.example|leave.read"}, "enterprise",
         "invalid_scope (status 400"),
    ],
)  # fmt: skip
async def test_ready_reports_the_code_of_the_failing_part_and_the_log_the_reason(
    start_agent: Any, caplog: pytest.LogCaptureFixture, variables: dict[str, str], check: str, reason: str
) -> None:
    agent = await start_agent("Machine", **variables)
    found = (await agent.ready()).json()["checks"][check]
    row = ERROR_TABLE[found["code"]]
    assert found.keys() == {"ok", "code"}
    lines = [record for record in caplog.records if getattr(record, "fields", {}).get("check") == check]
    assert reason in lines[0].getMessage()
    assert (lines[0].fields["cause"], lines[0].fields["remedy"]) == (row.cause, row.remedy)


MODES = ["values", "updates", "messages-tuple", "custom", "debug", "events"]


@pytest.mark.parametrize(
    ("user", "question", "change", "code"),
    [
        ("alice", GREETING, user_disabled, "token_exchange_failed"),
        ("bob", LEAVE, unchanged, "token_exchange_failed"),
    ],
)
async def test_langgraph_server_shows_the_users_text_and_logs_the_operators(
    langgraph_server: Any, sandbox: Sandbox, user: str, question: str, change: Any, code: str
) -> None:
    await change(sandbox)
    client = langgraph_server.client(sandbox.access_token(user))
    before = langgraph_server.log.stat().st_size
    thread = (await client.threads.create())["thread_id"]
    given = {"messages": [{"role": "user", "content": question}]}
    parts = client.runs.stream(thread, "agent", input=given, stream_mode=MODES)
    seen = [(f"stream {part.event}", json.dumps(part.data)) async for part in parts]
    kept = [client.threads.get(thread), client.threads.get_state(thread), client.runs.list(thread)]
    seen += [("a thread", json.dumps(await answer)) for answer in kept]
    failed = [text for place, text in seen if code in text]
    assert failed
    # The state names what each credential is for, as tool events do: `{"need": {"identifier": …}}`.
    needs = re.compile(r'"requirement": \{(?:[^{}]|\{[^{}]*\})*\}')  # with its placement
    assert names_by_place((place, needs.sub("", text)) for place, text in seen) == []
    written = langgraph_server.log.read_text(errors="replace")[before:]
    assert "invalid_scope (status 400" in written or "access_denied (status 403" in written
    assert ERROR_TABLE[code].remedy in written
