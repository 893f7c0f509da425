"""Who receives the context of an agent's trace, and what becomes of a caller's."""

import json
from typing import Any

import pytest
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.recorder import Recorder
from tests.running_agent import ENTERPRISE, GREETING, WEATHER, RunningAgent

CHAT = "POST /openai/v1/chat/completions"
INBOUND = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def ask_with(agent: RunningAgent, token: str, **headers: str) -> None:
    await agent.http.post(
        f"{agent.origin}/openai/v1/chat/completions",
        json={"messages": [{"role": "user", "content": GREETING}]},
        headers={"Authorization": f"Bearer {token}", **headers},
    )


async def test_context_of_a_caller_is_linked_and_not_continued(start_agent, sandbox, spans):
    agent = await start_agent(spans=spans)
    await ask_with(agent, sandbox.access_token("alice"), traceparent=INBOUND, baggage="user=mallory")
    server = spans.one(CHAT)
    (link,) = server.links
    assert f"{link.context.trace_id:032x}-{link.context.span_id:016x}" == INBOUND[3:52]
    assert server.parent is None
    assert server.context.trace_id != link.context.trace_id


async def test_context_of_a_trusted_caller_is_continued_with_its_decision(start_agent, sandbox, spans):
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


async def test_malformed_or_repeated_context_is_ignored(start_agent, sandbox, spans):
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


async def test_services_receive_the_context_and_no_baggage(start_agent, sandbox, spans, serve):
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
    watch(agent.composed.model.chat.http_async_client, "model")  # type: ignore[attr-defined]  # of the provider that runs here
    for service in agent.composed.services:
        watch(service._http, "mcp" if service.name == "amap" else "services")  # type: ignore[attr-defined]  # of the implementation that runs here
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
async def test_receivers_are_those_of_the_settings(start_agent, sandbox, spans, variables, expected):
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
