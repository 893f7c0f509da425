"""The traces of a real agent: which spans, with which attributes, and who receives the trace's context."""

import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import JSONResponse

from agent.telemetry.logs.json_lines import JsonLines
from identity.principal import Principal
from identity.tracing.user import user_hash
from sandbox.faults import Fault
from tests.recorded_spans import Spans
from tests.recorder import Recorder
from tests.running_agent import ENTERPRISE, GREETING, WEATHER, RunningAgent, StartAgent

CHAT = "POST /openai/v1/chat/completions"
INBOUND = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def ask_with(agent: RunningAgent, token: str, **headers: str) -> None:
    await agent.http.post(
        f"{agent.origin}/openai/v1/chat/completions",
        json={"messages": [{"role": "user", "content": GREETING}]},
        headers={"Authorization": f"Bearer {token}", **headers},
    )


async def test_chat_with_a_tool_is_one_trace_of_the_conventions(
    start_agent: StartAgent, sandbox: Any, spans: Spans
) -> None:
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


async def test_spans_show_who_acted_as_whom_and_how_it_ended(
    start_agent: StartAgent, sandbox: Any, spans: Spans
) -> None:
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


async def test_call_of_an_mcp_server_has_its_attributes_on_the_tools_span(
    start_agent: StartAgent, sandbox: Any, spans: Spans
) -> None:
    agent = await start_agent(spans=spans)
    await agent.ask(WEATHER, sandbox.access_token("alice"))
    shown = attributes(spans.one("execute_tool maps_weather"))
    assert shown["mcp.method.name"] == "tools/call"
    assert shown["mcp.protocol.version"]
    assert shown["idaas_agent.credential.identifier"] == "amap_api_key"


@pytest.mark.parametrize(("label", "shown"), [("hash", ["user.hash"]), ("id", ["user.id"]), ("none", [])])
async def test_user_is_shown_as_the_setting_requires(
    start_agent: StartAgent, sandbox: Any, spans: Spans, label: str, shown: list[str]
) -> None:
    agent = await start_agent(spans=spans, TELEMETRY_USER=label)
    await agent.ask(GREETING, sandbox.access_token("alice"))
    for span in spans:
        assert [name for name in attributes(span) if name.startswith("user.")] == shown, span.name


async def test_refused_request_has_its_code_and_no_user(
    start_agent: StartAgent, sandbox: Any, spans: Spans
) -> None:
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


async def test_failures_are_named_by_their_codes_on_each_span(
    start_agent: StartAgent, sandbox: Any, spans: Spans
) -> None:
    agent = await start_agent(spans=spans)
    sandbox.cloud.faults.set("model_studio", Fault(status=400))
    await agent.ask(GREETING, sandbox.access_token("alice"))
    failed = {span.name.split()[0]: attributes(span)["error.type"] for span in spans if not span.status.is_ok}
    assert {name: code for name, code in failed.items() if name in ("POST", "invoke_agent", "chat")} == {
        "POST": "model_call_failed",
        "invoke_agent": "model_call_failed",
        "chat": "model_call_failed",
    }


async def test_context_of_a_caller_is_linked_and_not_continued(
    start_agent: StartAgent, sandbox: Any, spans: Spans
) -> None:
    agent = await start_agent(spans=spans)
    await ask_with(agent, sandbox.access_token("alice"), traceparent=INBOUND, baggage="user=mallory")
    server = spans.one(CHAT)
    (link,) = server.links
    assert f"{link.context.trace_id:032x}-{link.context.span_id:016x}" == INBOUND[3:52]
    assert server.parent is None
    assert server.context.trace_id != link.context.trace_id


async def test_context_of_a_trusted_caller_is_continued_with_its_decision(
    start_agent: StartAgent, sandbox: Any, spans: Spans
) -> None:
    agent = await start_agent(
        spans=spans, TRACEPARENT_TRUSTED="true", OTEL_TRACES_SAMPLER="parentbased_always_off"
    )
    token = sandbox.access_token("alice")
    await ask_with(agent, token)
    await ask_with(agent, token, traceparent=INBOUND[:-1] + "0")
    assert list(spans) == []
    await ask_with(agent, token, traceparent=INBOUND)
    server = spans.one(CHAT)
    assert server.parent is not None
    assert f"{server.context.trace_id:032x}-{server.parent.span_id:016x}" == INBOUND[3:52]
    assert server.links == ()


async def test_malformed_or_repeated_context_is_ignored(
    start_agent: StartAgent, sandbox: Any, spans: Spans
) -> None:
    agent = await start_agent(spans=spans)
    await ask_with(agent, sandbox.access_token("alice"), traceparent=f"{INBOUND}-more")
    headers = [("Authorization", f"Bearer {sandbox.access_token('alice')}"), *[("traceparent", INBOUND)] * 2]
    await agent.http.get(f"{agent.origin}/openai/v1/models", headers=headers)
    assert [span.links for span in spans if span.kind is SpanKind.SERVER] == [(), ()]


class Downstream:
    """Services that record the trace context of each request."""

    def __init__(self) -> None:
        self.headers: list[dict[str, str]] = []
        self.bodies: list[Any] = []
        self.app = Recorder(self.respond)

    async def respond(self, request: Request) -> JSONResponse:
        self.headers.append(dict(request.headers))
        self.bodies.append(json.loads(await request.body() or b"null"))
        return JSONResponse({"ok": True})


async def test_services_receive_the_context_and_no_baggage(
    start_agent: StartAgent, sandbox: Any, spans: Spans, serve: Any
) -> None:
    downstream = Downstream()
    agent = await start_agent(spans=spans, ENTERPRISE_SERVICE_URL=await serve(downstream.app))
    await agent.http.post(
        f"{agent.origin}/openai/v1/chat/completions",
        json={"messages": [{"role": "user", "content": ENTERPRISE}]},
        headers={
            "Authorization": f"Bearer {sandbox.access_token('alice')}",
            "traceparent": INBOUND,
            "tracestate": "vendor=canary",
            "baggage": "user=canary",
        },
    )
    (headers,) = downstream.headers
    request = next(span for span in spans if (spans.parent(span) or "").startswith("execute_tool"))
    context = request.context
    assert headers["traceparent"] == f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
    assert not {"tracestate", "baggage"} & set(headers)


def sent_contexts(agent: RunningAgent) -> dict[str, set[str | None]]:
    """Receiver → the contexts of the requests that it is sent from now on; of MCP, those in `_meta`."""
    sent: dict[str, set[str | None]] = {"services": set(), "mcp": set(), "model": set(), "idaas": set()}

    def watch(client: Any, receiver: str) -> None:
        async def note(request: Any) -> None:
            context = request.headers.get("traceparent")
            if receiver == "mcp" and (body := json.loads(request.content or b"null")) and "id" in body:
                assert (body.get("params") or {}).get("_meta", {}).get("traceparent", "")[:35] == (
                    context or ""
                )[:35]
            sent[receiver].add(context)

        client.event_hooks = {**client.event_hooks, "request": [note]}

    watch(agent.composed.http, "idaas")
    watch(agent.composed.model.chat.http_async_client, "model")  # type: ignore[attr-defined]
    for service in agent.composed.services:
        watch(service._http, "mcp" if service.name == "amap" else "services")  # type: ignore[attr-defined]
    return sent


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"services", "mcp"}),
        ({"TRACEPARENT_RECEIVERS": "none"}, set()),
        ({"TRACEPARENT_RECEIVERS": "model, IDaaS"}, {"model", "idaas"}),
        ({"OTEL_PROPAGATORS": "none"}, set()),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, {"services", "mcp"}),
    ],
    ids=["by default", "none", "model and IDaaS", "no propagator", "not sampled"],
)
async def test_receivers_are_those_of_the_settings(
    start_agent: StartAgent, sandbox: Any, spans: Spans, variables: dict[str, str], expected: set[str]
) -> None:
    agent = await start_agent("Human", spans=spans, **variables)
    await agent.warm()
    sent = sent_contexts(agent)
    token = sandbox.access_token("alice")
    for question in (WEATHER, ENTERPRISE):
        assert (await agent.ask(question, token)).status == 200
    assert all(sent.values()), "every receiver was sent a request"
    assert {name for name, contexts in sent.items() if contexts != {None}} == expected
    flag = "00" if "OTEL_TRACES_SAMPLER" in variables else "01"
    traces = {f"{span.context.trace_id:032x}" for span in spans}
    for context in {each for contexts in sent.values() for each in contexts if each}:
        assert context.endswith(flag)
        assert not traces or context[3:35] in traces


async def test_log_lines_of_a_request_name_its_trace(
    start_agent: StartAgent, sandbox: Any, spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
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
