"""The traces of a real agent: which spans, with which attributes."""

import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from agent.operations.log_lines import JsonLines
from identity.observation.request_context import user_hash
from identity.principal import Principal
from sandbox.faults.faults import Fault
from tests.recorded_spans import Spans
from tests.running_agent import ENTERPRISE, GREETING, WEATHER, StartAgent

CHAT = "POST /openai/v1/chat/completions"


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_chat_with_a_tool_is_one_trace_of_the_conventions(start_agent, sandbox, spans):
    agent = await start_agent("Human", spans=spans)
    await agent.ask(WEATHER, sandbox.access_token("alice"), stream=True)
    assert len({span.context.trace_id for span in spans}) == 1
    model = agent.composed.settings.llm_model
    tree = {(span.name, spans.parent(span)) for span in spans}
    assert tree >= {
        (CHAT, None),
        ("invoke_agent idaas-agent", CHAT),
        (f"chat {model}", "invoke_agent idaas-agent"),
        ("execute_tool maps_weather", "invoke_agent idaas-agent"),
        ("POST", "execute_tool maps_weather"),
        ("issue token_exchange", "invoke_agent idaas-agent"),
        ("POST", "issue token_exchange"),
        ("issue api_key_issue", "invoke_agent idaas-agent"),
        ("GET", "issue api_key_issue"),
    }
    kinds = {span.name: span.kind for span in spans}
    assert (kinds[CHAT], kinds[f"chat {model}"]) == (SpanKind.SERVER, SpanKind.CLIENT)
    assert kinds["execute_tool maps_weather"] is SpanKind.INTERNAL


async def test_spans_show_who_acted_as_whom_and_how_it_ended(start_agent, sandbox, spans):
    agent = await start_agent("Human", spans=spans)
    await agent.ask(ENTERPRISE, sandbox.access_token("alice"))
    settings = agent.composed.settings
    (tool,) = [span for span in spans if span.name.startswith("execute_tool")]
    audience, _, permission = settings.enterprise_service_scope.partition("|")
    shown = attributes(tool)
    assert shown.pop("idaas_agent.request.id")
    assert shown == {
        "user.hash": user_hash(Principal(sandbox.issuer, "user_alice01")),
        "idaas_agent.client.id": settings.idaas.client_id,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool.name.split()[1],
        "gen_ai.tool.type": "function",
        "idaas_agent.service": "enterprise",
        "idaas_agent.access_identity": "Human",
        "idaas_agent.credential.audience": audience,
        "idaas_agent.credential.scope": permission,
    }
    server = attributes(spans.one(CHAT))
    assert (server["http.route"], server["http.response.status_code"]) == ("/openai/v1/chat/completions", 200)
    chats = [attributes(span) for span in spans if span.name.startswith("chat ")]
    assert [chat["gen_ai.response.finish_reasons"] for chat in chats] == [("tool_calls",), ("stop",)]
    assert all(chat["gen_ai.usage.input_tokens"] > 0 for chat in chats)
    run = attributes(spans.one("invoke_agent idaas-agent"))
    assert run["gen_ai.usage.input_tokens"] == sum(chat["gen_ai.usage.input_tokens"] for chat in chats)


async def test_call_of_an_mcp_server_has_its_attributes_on_the_tools_span(start_agent, sandbox, spans):
    agent = await start_agent(spans=spans)
    await agent.ask(WEATHER, sandbox.access_token("alice"))
    shown = attributes(spans.one("execute_tool maps_weather"))
    assert shown["mcp.method.name"] == "tools/call"
    assert shown["mcp.protocol.version"]
    assert shown["idaas_agent.credential.identifier"] == "amap_api_key"


@pytest.mark.parametrize(("label", "shown"), [("hash", ["user.hash"]), ("id", ["user.id"]), ("none", [])])
async def test_user_is_shown_as_the_setting_requires(start_agent, sandbox, spans, label, shown):
    agent = await start_agent(spans=spans, TELEMETRY_USER=label)
    await agent.ask(GREETING, sandbox.access_token("alice"))
    for span in spans:
        assert [name for name in attributes(span) if name.startswith("user.")] == shown, span.name


async def test_refused_request_has_its_code_and_no_user(start_agent, sandbox, spans):
    agent = await start_agent(spans=spans)
    await agent.ask(GREETING, "none")
    (span,) = spans
    shown = attributes(span)
    assert (span.name, shown["error.type"], shown["http.response.status_code"]) == (
        "POST",
        "access_token_invalid",
        401,
    )
    assert "user.hash" not in shown


async def test_failures_are_named_by_their_codes_on_each_span(start_agent, sandbox, spans):
    agent = await start_agent(spans=spans)
    sandbox.cloud.faults.set("model_studio", Fault(status=400))
    await agent.ask(GREETING, sandbox.access_token("alice"))
    failed = {span.name.split()[0]: attributes(span)["error.type"] for span in spans if not span.status.is_ok}
    assert {name: code for name, code in failed.items() if name in ("POST", "invoke_agent", "chat")} == {
        "POST": "model_call_failed",
        "invoke_agent": "model_call_failed",
        "chat": "model_call_failed",
    }


async def test_log_lines_of_a_request_name_its_trace(start_agent, sandbox, spans, caplog):
    agent = await start_agent(spans=spans)
    caplog.set_level(logging.INFO)
    lines: list[dict[str, Any]] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonLines().format(record)))

    log = logging.getLogger("idaas_agent")
    log.addHandler(handler := Lines())
    try:
        sandbox.cloud.faults.set("function_compute", Fault(status=500))
        await agent.ask(ENTERPRISE, sandbox.access_token("alice"))
    finally:
        log.removeHandler(handler)
    trace = f"{spans.one(CHAT).context.trace_id:032x}"
    named = [line["logger"] for line in lines if line.get("trace_id") == trace]
    assert {"idaas_agent.request", "idaas_agent.failure"} <= set(named)


@pytest.mark.parametrize("mode", ["NO_CONTENT", "SPAN_ONLY"])
async def test_content_is_in_spans_only_if_it_is_switched_on_and_never_a_credential(
    start_agent: StartAgent, sandbox: Any, spans: Spans, mode: str
) -> None:
    agent = await start_agent(spans=spans, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=mode)
    await agent.ask(WEATHER, sandbox.access_token("alice"), stream=True)
    found = {name: value for span in spans for name, value in attributes(span).items()}
    content = {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
    }
    assert content & set(found) == (content if mode == "SPAN_ONLY" else set())
    if mode == "SPAN_ONLY":
        messages = json.loads(found["gen_ai.input.messages"])
        assert {"role": "user", "parts": [{"type": "text", "content": WEATHER}]} in messages
        assert (
            "Hangzhou" in found["gen_ai.tool.call.arguments"] or "杭州" in found["gen_ai.tool.call.arguments"]
        )


async def test_traces_are_off_without_settings(start_agent: StartAgent) -> None:
    assert (await start_agent()).composed.tracer is None
