"""Responses of a hostile MCP server, which is in memory, and the bounds of their processing."""

import json

import httpx
import pytest

from tests.responsive import responsive
from tests.tools.mcp_service.mcp_server import INITIALIZED, TOOL, MemoryServer, session_on, weather, whole
from tools.mcp_service.wire import MCPRequestError

CODECS = ["punycode", "zlib", "hex", "rot13", "utf-16"]


def streamed(message, result, before="", kind="text/event-stream"):
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}, ensure_ascii=False)
    content = f"{before}data: {body}\n\n".encode()
    return httpx.Response(200, content=content, headers={"content-type": kind})


@pytest.fixture
async def server():
    return MemoryServer()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("respond", [whole, streamed])
async def test_text_is_read_as_utf_8_for_every_charset(server, session, codec, respond):
    kind = "application/json" if respond is whole else "text/event-stream"
    text = "晴-éa" * 40_000
    result = {"content": [{"type": "text", "text": text}]}
    server.results["tools/call"] = lambda m: respond(m, result, kind=f"{kind}; charset={codec}")
    async with responsive():
        assert (await session.call(weather())).text == text


async def test_messages_before_the_response_block_nothing_and_few_pings_get_a_response(server, session):
    ping = 'data: {"jsonrpc":"2.0","id":7,"method":"ping"}\n\n'
    noise = 'data: {"jsonrpc":"2.0","method":"x"}\n\n: x\n\n'
    before = ping * 2_000 + noise * 15_000
    server.results["tools/call"] = lambda m: streamed(m, {"content": []}, before)
    async with responsive():
        assert (await session.call(weather())).ok
    assert server.counts["response"] == 10


async def test_list_that_the_server_says_has_changed_is_read_again(server, session):
    changed = 'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'
    server.results["tools/call"] = lambda m: streamed(m, {"content": []}, changed * 2)
    for _ in range(2):
        assert list((await session.listing()).tools) == ["weather"]
    await session.call(weather())
    assert session.current is None
    server.results["tools/list"] = {"tools": [{**TOOL, "name": "tides"}]}
    assert list((await session.listing()).tools) == ["tides"]
    assert server.counts["tools/list"] == 2


WIDE = {
    "lists": '{"jsonrpc":"2.0","id":%d,"result":{"content":[],"x":[' + "[]," * 340_000 + "1]}}",
    "objects": '{"jsonrpc":"2.0","id":%d,"result":{"content":[],"x":[' + "{}," * 340_000 + "1]}}",
    "deep": '{"jsonrpc":"2.0","id":%d,"result":{"content":[],"x":' + "[" * 40_000 + "]" * 40_000 + "}}",
}


@pytest.mark.parametrize("what", WIDE)
@pytest.mark.parametrize("stream", [False, True])
async def test_wide_or_deep_json_is_an_error(server, session, what, stream):
    def respond(message):
        body = WIDE[what] % message["id"]
        kind = "text/event-stream" if stream else "application/json"
        content = f"data: {body}\n\n" if stream else body
        return httpx.Response(200, content=content, headers={"content-type": kind})

    server.results["tools/call"] = respond
    async with responsive():
        with pytest.raises(MCPRequestError):
            await session.call(weather())


async def test_thousands_of_content_items_do_not_block_the_event_loop(server, session):
    server.results["tools/call"] = {"content": [{"type": "text", "text": "a"}] * 20_000}
    async with responsive():
        result = await session.call(weather())
    assert result.text.count("a") == 1_000


async def test_thousands_of_tools_do_not_block_the_event_loop(server, session):
    server.results["tools/list"] = {"tools": [{**TOOL, "inputSchema": {}}] * 15_000}
    async with responsive():
        assert list((await session.listing()).tools) == ["weather"]


async def test_unused_members_of_a_tool_may_be_malformed(server, session):
    server.results["tools/list"] = {"tools": ["odd", {**TOOL, "icons": 5, "annotations": [], "title": {}}]}
    assert list((await session.listing()).tools) == ["weather"]


@pytest.mark.parametrize(
    "malformed",
    [
        {"name": None},
        {"name": 7},
        {"name": ""},
        {"inputSchema": None},
        {"inputSchema": "object"},
        {"description": ["a", "b"]},
    ],
    ids=repr,
)
async def test_malformed_tool_hides_no_other_tool(server, session, malformed, caplog):
    nameless = {name: value for name, value in TOOL.items() if name != "name"}
    server.results["tools/list"] = {"tools": [nameless, TOOL | malformed, None, "tool", TOOL]}
    assert list((await session.listing()).tools) == ["weather"]
    assert "not offered" in caplog.text


async def test_expensive_schemas_do_not_block_the_event_loop(server, session):
    wide = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(900)}}
    patterns = {"type": "object", "properties": {"a": {"pattern": "[^\\x01-\\ufff0]" * 60}}}
    tools = [{"name": f"t{n}", "inputSchema": wide if n % 2 else patterns} for n in range(20)]
    server.results["tools/list"] = {"tools": tools}
    async with responsive():
        assert len((await session.listing()).tools) == 20


@pytest.mark.parametrize("number", [True, 1.0, "1", None, [1]])
async def test_response_with_another_id_is_an_error(server, session, number):
    server.results["tools/call"] = lambda _: whole({"id": number}, {"content": []})
    with pytest.raises(MCPRequestError):
        await session.call(weather())


@pytest.mark.parametrize(
    "session_id", [b"", b"a", b"!~" * 500, "é".encode(), b"\xe9", b"a b", b"a\tb", b"a" * 1025]
)
async def test_session_id_that_is_not_visible_ascii_or_too_long_is_refused(server, session_id):
    def opened(message):
        body = whole(message, INITIALIZED).content
        named = [(b"content-type", b"application/json"), (b"mcp-session-id", session_id)]
        return httpx.Response(200, content=body, headers=named)

    server.results["initialize"] = opened
    async with httpx.AsyncClient(transport=httpx.MockTransport(server)) as http:
        session = session_on(http)
        if session_id in (b"", b"a", b"!~" * 500):
            await session.open()
            await session.end()
        else:
            with pytest.raises(MCPRequestError, match="session id"):
                await session.open()
