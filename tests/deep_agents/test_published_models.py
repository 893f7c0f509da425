"""The chat models that LangChain publishes for Anthropic and Google, on servers that speak their wire:
`make deepagents-test`, whose environment has both packages.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from agent.composition.agent import Agent
from agent.runs.run import whole_run
from agent.settings.settings import read_settings
from graph.models.named_chat_model import named_chat_model
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from tests.graph.conftest import Serve
from tests.graph.models.enticing_server import Elsewhere, Redirecting, SettingCookies
from tests.graph.models.qwen_wire import Pieces
from tests.graph.models.test_published_chat_model import Heard
from tests.suite import Sandbox
from tests.test_extending import printed, printed_variables

TOOL = {
    "type": "function",
    "function": {
        "name": "pay",
        "description": "Pays.",
        "parameters": {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]},
    },
}
CALL = {"name": "pay", "args": {"sum": 3}, "id": "call_1"}
CONVERSATION = [
    SystemMessage("You pay."),
    HumanMessage("Pay 3."),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("paid", tool_call_id="call_1", name="pay"),
]


class Wire:
    """Keeps the requests and their keys, and responds as `respond` says to each."""

    def __init__(self, key_header: str, respond: Callable[[str, dict[str, Any]], Any]) -> None:
        self.key_header = key_header
        self.respond = respond
        self.keys: list[str] = []
        self.requests: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        request = Request(scope, receive)
        body = await request.json()
        self.keys.append(request.headers[self.key_header].removeprefix("Bearer "))
        self.requests.append(body)
        answer = self.respond(request.url.path, body)
        if not isinstance(answer, Response):
            answer = StreamingResponse(answer, media_type="text/event-stream")
        await answer(scope, receive, send)


ANTHROPIC_USAGE = {"input_tokens": 10, "output_tokens": 2}


def anthropic(end: str = "end_turn", error: int = 0) -> Wire:
    """Anthropic's Messages API: thinking, a text, and a call if tools are offered."""

    def respond(path: str, body: dict[str, Any]) -> Any:
        assert path == "/v1/messages", path
        if error:
            fault = {"type": "authentication_error", "message": "sk-canary is no key"}
            return JSONResponse({"type": "error", "error": fault}, error)
        blocks: list[dict[str, Any]] = [
            {"type": "thinking", "thinking": "Hm", "signature": "s"},
            {"type": "text", "text": "Sunny"},
        ]
        if body.get("tools"):
            blocks.append({"type": "tool_use", "id": "toolu_1", "name": "pay", "input": {"sum": 3}})
        message = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5-20250929",
            "stop_sequence": None,
            "usage": ANTHROPIC_USAGE,
        }
        if body.get("stream"):
            return anthropic_events(message, blocks, end)
        return JSONResponse({**message, "content": blocks, "stop_reason": end})

    return Wire("authorization", respond)


def anthropic_events(message: dict[str, Any], blocks: list[dict[str, Any]], end: str) -> Iterator[str]:
    def event(kind: str, **members: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **members})}\n\n"

    yield event("message_start", message={**message, "content": [], "stop_reason": None})
    for index, block in enumerate(blocks):
        match block["type"]:
            case "thinking":
                begun = {**block, "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": part} for part in ("H", "m")]
                deltas.append({"type": "signature_delta", "signature": "s"})
            case "text":
                begun = {**block, "text": ""}
                deltas = [{"type": "text_delta", "text": part} for part in ("Sun", "ny")]
            case _:
                begun = {**block, "input": {}}
                text = json.dumps(block["input"])
                deltas = [{"type": "input_json_delta", "partial_json": p} for p in ("", text[:4], text[4:])]
        yield event("content_block_start", index=index, content_block=begun)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    yield event(
        "message_delta",
        delta={"stop_reason": end, "stop_sequence": None},
        usage={"input_tokens": 10, "output_tokens": 7},
    )
    yield event("message_stop")


def google(end: str = "STOP", error: int = 0) -> Wire:
    """Gemini's `generateContent` and `streamGenerateContent`."""

    def respond(path: str, body: dict[str, Any]) -> Any:
        if error:
            fault = {"code": error, "message": "sk-canary is no key", "status": "UNAUTHENTICATED"}
            return JSONResponse({"error": fault}, error)
        parts: list[dict[str, Any]] = [{"text": "Hm", "thought": True}, {"text": "Sun"}, {"text": "ny"}]
        if body.get("tools"):
            parts.append({"functionCall": {"name": "pay", "args": {"sum": 3}}})
        if path.endswith(":generateContent"):
            return JSONResponse(google_body(parts, end))
        assert path.endswith(":streamGenerateContent")
        last = len(parts) - 1
        bodies = [google_body([part], end if number == last else None) for number, part in enumerate(parts)]
        return iter([f"data: {json.dumps(body)}\n\n" for body in bodies])

    return Wire("x-goog-api-key", respond)


def google_body(parts: list[dict[str, Any]], end: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if end:
        candidate["finishReason"] = end
    used = {"promptTokenCount": 10, "candidatesTokenCount": 7, "totalTokenCount": 17}
    return {"candidates": [candidate], "usageMetadata": used, "modelVersion": "gemini-2.5-flash"}


PUBLISHED = [
    pytest.param("anthropic", "claude-sonnet-4-5", anthropic, id="anthropic"),
    pytest.param("google_genai", "gemini-2.5-flash", google, id="google"),
]


@pytest.mark.parametrize(("name", "model", "wire_of"), PUBLISHED)
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "in pieces"])
@pytest.mark.parametrize("tools", [[], [TOOL]], ids=["no tools", "tools"])
async def test_published_model_answers_with_the_key_of_its_caller(
    name: str, model: str, wire_of: Callable[[], Wire], streams: bool, tools: list[Any], serve: Serve
) -> None:
    wire = wire_of()
    provider = named_chat_model(name, model=model, base_url=await serve(wire))
    reader = Pieces() if streams else None
    response: Any = None
    for key in ("sk-alice", "sk-bob"):
        response = await provider.complete(CONVERSATION, tools, api_key=Secret(key), reader=reader)
    assert wire.keys == ["sk-alice", "sk-bob"]
    assert response.text == "Sunny"
    assert response.additional_kwargs == {"reasoning_content": "Hm"}
    assert response.response_metadata["finish_reason"] == "stop"
    assert response.response_metadata["model_name"].startswith(model)
    assert [(call["name"], call["args"]) for call in response.tool_calls] == [("pay", {"sum": 3})] * len(
        tools
    )
    assert (response.usage_metadata["input_tokens"], provider.api) == (10, name)
    if reader is not None:
        assert "".join(reader.texts) == "SunnySunny"
        assert "".join(piece.thinking for piece in reader.pieces) == "HmHm"


@pytest.mark.parametrize(
    ("name", "wire", "finish"),
    [
        ("anthropic", lambda: anthropic("tool_use"), "tool_calls"),
        ("anthropic", lambda: anthropic("max_tokens"), "length"),
        ("anthropic", lambda: anthropic("model_context_window_exceeded"), "length"),
        ("anthropic", lambda: anthropic("refusal"), "content_filter"),
        ("google_genai", lambda: google("MAX_TOKENS"), "length"),
        ("google_genai", lambda: google("SAFETY"), "content_filter"),
        ("google_genai", lambda: google("PROHIBITED_CONTENT"), "content_filter"),
        ("google_genai", lambda: google("MALFORMED_FUNCTION_CALL"), "malformed_function_call"),
    ],
)
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "in pieces"])
async def test_end_of_a_published_response_is_reported_in_the_agents_words(
    name: str, wire: Callable[[], Wire], finish: str, streams: bool, serve: Serve
) -> None:
    provider = named_chat_model(name, model="m", base_url=await serve(wire()))
    reader = Pieces() if streams else None
    response = await provider.complete([HumanMessage("hi")], [], api_key=Secret("sk"), reader=reader)
    assert response.response_metadata["finish_reason"] == finish


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize(
    ("name", "wire_of", "raised"),
    [("anthropic", anthropic, "Authentication"), ("google_genai", google, "ClientError")],
)
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "in pieces"])
async def test_refused_key_is_a_401_of_which_neither_text_nor_tracer_has_the_key(
    name: str, wire_of: Callable[..., Wire], raised: str, streams: bool, serve: Serve
) -> None:
    provider = named_chat_model(name, model="m", base_url=await serve(wire_of(error=401)))
    handler = Heard()
    reader = Pieces() if streams else None
    chat: Any = provider.chat
    options = {"api_key": Secret("sk-canary"), "reader": reader}
    with pytest.raises(ServiceError) as caught:
        await chat.ainvoke([HumanMessage("hi")], {"callbacks": [handler]}, **options)
    assert caught.value.status == 401
    assert raised in caught.value.detail
    assert [text.split()[0] for text in handler.heard] == ["start", "error"]
    assert "canary" not in f"{caught.value} {caught.value.detail} {handler.heard}"


@pytest.mark.promise("users-never-cross")
@pytest.mark.parametrize(("name", "model", "wire_of"), PUBLISHED)
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "in pieces"])
async def test_cookie_of_one_caller_is_not_sent_with_the_call_of_another(
    name: str, model: str, wire_of: Callable[[], Wire], streams: bool, serve: Serve
) -> None:
    server = SettingCookies(wire_of())
    provider = named_chat_model(name, model=model, base_url=await serve(server))
    for key in ("sk-alice", "sk-bob"):
        reader = Pieces() if streams else None
        await provider.complete([HumanMessage("hi")], [], api_key=Secret(key), reader=reader)
    assert server.cookies == [None, None]


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize(("name", "model", "wire_of"), PUBLISHED)
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "in pieces"])
@pytest.mark.parametrize("aiohttp", [False, True], ids=["httpx", "aiohttp"])
async def test_redirect_carries_neither_key_nor_conversation(
    name: str,
    model: str,
    wire_of: Callable[[], Wire],
    streams: bool,
    aiohttp: bool,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Google's package uses aiohttp where that is installed."""
    monkeypatch.setattr("google.genai._api_client.has_aiohttp", aiohttp)
    elsewhere = Elsewhere()
    url = await serve(Redirecting(await serve(elsewhere)))
    provider = named_chat_model(name, model=model, base_url=url)
    reader = Pieces() if streams else None
    with pytest.raises(ServiceError):
        await provider.complete([HumanMessage("hi")], [], api_key=Secret("sk-alice"), reader=reader)
    assert elsewhere.requests == []


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("provider", ["langchain:anthropic", "my_claude:claude"])
async def test_claude_of_the_page_answers_with_the_key_that_idaas_issues(
    provider: str,
    streaming: bool,
    sandbox: Sandbox,
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "my_claude.py").write_text(printed("my_claude.py"))
    monkeypatch.syspath_prepend(tmp_path)
    wire = anthropic()
    identifier = {"LLM_API_KEY_IDENTIFIER": sandbox.environment["LLM_API_KEY_IDENTIFIER"]}
    given = sandbox.environment | printed_variables("named.env") | identifier
    changed = {"LLM_PROVIDER": provider, "LLM_BASE_URL": await serve(wire), "MAX_TOOL_ROUNDS": "1"}
    settings = read_settings(given | changed)
    async with Agent(settings) as agent:
        caller = await agent.verifier.verify(Secret(sandbox.access_token()))
        run = agent.runs.start([HumanMessage("Weather?")], caller, streaming=streaming)
        end = (await whole_run(run)).end
    assert end.text == "Sunny"
    assert set(wire.keys) == {sandbox.cloud.vault.find("llm_api_key").api_key}
    assert {request["model"] for request in wire.requests} == {"claude-sonnet-4-5"}
    assert wire.requests[0]["system"]
    assert wire.requests[0]["tools"]
