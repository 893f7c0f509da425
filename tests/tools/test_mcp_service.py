"""Against official MCP servers in this process, which the tests stop, restart and make fail."""

import asyncio
import contextvars
import json
from collections import Counter

import pytest
from mcp.server.fastmcp import FastMCP
from mcp.types import ImageContent, TextContent
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from identity.credential import ApiKey
from identity.error_table import ErrorCode
from identity.errors import ServiceError
from tools.mcp_service import MCPService

caller = contextvars.ContextVar("caller", default="nobody")


class Server:
    """An MCP server behind a key check. `answer`, if set, is its answer to everything."""

    def __init__(self, *, stateless=False, json=False):
        self.options = {"stateless_http": stateless, "json_response": json}
        self.counts = Counter()
        self.keys = {"K1", "K2"}
        self.refusal = 401
        self.seen = []
        self.answer = None
        self.gate = asyncio.Event()
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.start()

    def start(self):
        """Forgets all sessions, if there were any."""
        mcp = FastMCP("test", **self.options)

        @mcp.tool(structured_output=False)
        def weather(city: str) -> str:
            """The weather of a city."""
            return f"sunny in {city}"

        @mcp.tool(structured_output=False)
        def broken(city: str) -> str:
            """Fails."""
            raise ValueError("INVALID_USER_KEY")

        @mcp.tool()
        def structured(n: int) -> dict[str, int]:
            """Answers with an object."""
            return {"n": n}

        @mcp.tool(structured_output=False)
        def picture() -> list:
            """Draws."""
            return [
                TextContent(type="text", text="here:"),
                ImageContent(type="image", data="aGk=", mimeType="image/png"),
            ]

        @mcp.tool(structured_output=False)
        async def waits() -> str:
            """Waits for the test."""
            self.entered.set()
            await self.gate.wait()
            return "done"

        self.mcp = mcp
        self.inner = mcp.streamable_http_app()

    async def restart(self):
        await self.stop()
        self.start()
        await self.run()

    async def run(self):
        up, self.down = asyncio.Event(), asyncio.Event()

        async def hold():
            async with self.mcp.session_manager.run():
                up.set()
                await self.down.wait()

        self.running = asyncio.create_task(hold())
        await up.wait()

    async def stop(self):
        self.down.set()
        await self.running

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            await self.run()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return
        request = Request(scope, receive)
        body = await request.body()
        method = (await request.json())["method"] if body else request.method
        self.counts[method] += 1
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        self.seen.append((method, key, request.headers.get("mcp-session-id")))
        if key not in self.keys:
            response = Response(f'{{"code":"InvalidApiKey","message":"{key}"}}', self.refusal)
        else:
            response = self.answer
        if response is not None:
            await response(scope, receive, send)
            return

        async def replayed():
            nonlocal body
            if body is not None:
                sent, body = body, None
                return {"type": "http.request", "body": sent, "more_body": False}
            message = await receive()
            self.left.set()
            return message

        await self.inner(scope, replayed, send)


@pytest.fixture
async def service_at():
    services = []

    def make(origin, **options):
        services.append(MCPService("maps", origin + "/mcp", ApiKey("key"), **options))
        return services[-1]

    yield make
    for service in services:
        await service.aclose()


async def failure_of(call) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        await call
    assert caught.value.code is ErrorCode.EXTERNAL_SERVICE_FAILED
    return caught.value


@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize("stateless", [False, True])
async def test_a_warm_call_is_one_request_whatever_the_servers_mode(
    serve, service_at, key_ring, stateless, json
):
    server = Server(stateless=stateless, json=json)
    service = service_at(await serve(server))
    access = key_ring("K1")
    tools = {tool.name: tool for tool in await service.tools(access)}
    assert tools["weather"].description == "The weather of a city."
    assert tools["weather"].parameters["properties"]["city"]["type"] == "string"
    assert (await service.call("weather", {"city": "杭州"}, access)).text == "sunny in 杭州"
    server.counts.clear()
    results = [await service.call("weather", {"city": str(n)}, access) for n in range(3)]
    await service.tools(access)
    assert [r.text for r in results] == ["sunny in 0", "sunny in 1", "sunny in 2"]
    assert server.counts == {"tools/call": 3}


async def test_no_listening_stream_is_opened_and_the_session_is_ended_on_closing(serve, key_ring):
    server = Server()
    service = MCPService("maps", await serve(server) + "/mcp", ApiKey("key"))
    await service.call("weather", {"city": "x"}, key_ring("K1"))
    await service.aclose()
    assert (server.counts["GET"], server.counts["DELETE"]) == (0, 1)


async def test_a_tools_own_error_is_a_failed_result(serve, service_at, key_ring):
    service = service_at(await serve(Server()))
    result = await service.call("broken", {"city": "x"}, key_ring("K1"))
    assert not result.ok
    assert "INVALID_USER_KEY" in result.text


async def test_results_of_other_kinds_become_text(serve, service_at, key_ring):
    service = service_at(await serve(Server()))
    access = key_ring("K1")
    assert (await service.call("picture", {}, access)).text == "here:\n[image, not shown]"
    assert '"n": 1' in (await service.call("structured", {"n": 1}, access)).text


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("weather", {}, "city"),
        ("weather", {"city": 5}, '"city"'),
        ("structured", {"n": "x"}, '"n"'),
        ("nothing", {}, "no tool"),
    ],
)
async def test_bad_arguments_do_not_reach_the_server(serve, service_at, key_ring, tool, arguments, words):
    server = Server()
    service = service_at(await serve(server))
    result = await service.call(tool, arguments, key_ring("K1"))
    assert not result.ok
    assert words in result.text
    assert server.counts["tools/call"] == 0


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_renewed_once_on_opening(serve, service_at, key_ring, status):
    server = Server()
    server.refusal = status
    service = service_at(await serve(server))
    access = key_ring("K0", "K1")
    assert (await service.call("weather", {"city": "x"}, access)).ok
    assert len(access.renewals) == 1
    access = key_ring("K0", "K9")
    error = await failure_of(service.call("weather", {"city": "x"}, access))
    assert (error.status, len(access.renewals)) == (status, 1)
    assert "K9" not in str(error)


async def test_a_key_refused_in_an_open_session_is_renewed_and_the_call_made_again(
    serve, service_at, key_ring
):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1", "K2")
    await service.call("weather", {"city": "x"}, access)
    server.keys.remove("K1")
    assert (await service.call("weather", {"city": "y"}, access)).text == "sunny in y"
    sessions = {key: session for _, key, session in server.seen if session}
    assert sessions["K1"] != sessions["K2"]


async def test_a_restarted_server_is_met_with_a_new_session_without_a_failure(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    await service.call("weather", {"city": "x"}, access)
    await server.restart()
    assert (await service.call("weather", {"city": "y"}, access)).text == "sunny in y"
    assert access.renewals == []
    assert server.counts["tools/list"] == 2  # tools may have changed with the restart


async def test_one_failed_request_does_not_end_the_calls_beside_it(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    waiting = asyncio.create_task(service.call("waits", {}, access))
    await server.entered.wait()
    server.answer = Response("upstream canary", 500)
    error = await failure_of(service.call("weather", {"city": "x"}, access))
    assert error.status == 500
    assert "canary" not in str(error)
    server.answer = None
    server.gate.set()
    assert (await waiting).text == "done"
    assert server.counts["initialize"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        Response("not json", media_type="application/json"),
        Response('{"jsonrpc": "2.0"}', media_type="application/json"),
        Response('{"jsonrpc": "2.0", "id": 99, "result": {}}', media_type="application/json"),
        Response("<html>", media_type="text/html"),
        Response("", media_type="text/event-stream"),
        Response("event: message\ndata: {\n\n", media_type="text/event-stream"),
        Response(status_code=202),
        Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}, media_type="application/json"),
        Response(" " * 2_000_000, media_type="application/json"),
    ],
    ids=["no json", "no rpc", "other id", "html", "cut off", "half event", "no body", "packed", "huge"],
)
async def test_an_answer_that_is_none_fails_at_once(serve, service_at, key_ring, answer):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    await service.tools(access)
    server.answer = answer
    await failure_of(service.call("weather", {"city": "x"}, access))
    server.answer = None
    assert (await service.call("weather", {"city": "x"}, access)).ok
    assert server.counts["initialize"] == 1


async def test_a_protocol_error_of_the_server_is_a_failed_result(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    await service.tools(access)
    body = '{"jsonrpc": "2.0", "id": 2, "error": {"code": -32602, "message": "bad K1"}}'
    server.answer = Response(body, media_type="application/json")
    result = await service.call("weather", {"city": "x"}, access)
    assert (result.ok, result.text) == (False, "error -32602: bad **redacted**")


async def test_a_slow_tool_ends_at_the_deadline_and_its_connection_is_closed(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server), seconds=0.3)
    error = await failure_of(service.call("waits", {}, key_ring("K1")))
    assert error.status is None
    await asyncio.wait_for(server.left.wait(), 5)


async def test_a_cancelled_call_closes_its_connection_and_leaves_the_session(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    waiting = asyncio.create_task(service.call("waits", {}, access))
    await server.entered.wait()
    server.left.clear()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(server.left.wait(), 5)
    assert (await service.call("weather", {"city": "x"}, access)).ok
    assert server.counts["initialize"] == 1


async def test_closing_ends_calls_in_flight(serve, key_ring):
    server = Server()
    service = MCPService("maps", await serve(server) + "/mcp", ApiKey("key"))
    waiting = asyncio.create_task(service.call("waits", {}, key_ring("K1")))
    await server.entered.wait()
    await service.aclose()
    await failure_of(waiting)


async def test_many_first_calls_open_one_session_and_list_the_tools_once(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    calls = [service.call("weather", {"city": str(n)}, key_ring("K1")) for n in range(20)]
    assert [r.text for r in await asyncio.gather(*calls)] == [f"sunny in {n}" for n in range(20)]
    assert (server.counts["initialize"], server.counts["tools/list"]) == (1, 1)


async def test_a_cancelled_first_caller_does_not_cancel_the_others(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    first = asyncio.create_task(service.tools(key_ring("K1")))
    second = asyncio.create_task(service.tools(key_ring("K1")))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    assert server.counts["initialize"] == 1


async def test_every_key_has_a_session_of_its_own_and_is_sent_in_no_other(serve, service_at, key_ring):
    server = Server()
    server.keys = {f"K{n}" for n in range(8)}
    service = service_at(await serve(server))
    calls = [service.call("weather", {"city": f"{n}"}, key_ring(f"K{n % 8}")) for n in range(32)]
    assert all(result.ok for result in await asyncio.gather(*calls))
    assert server.counts["initialize"] == 8
    by_session = {(session, key) for _, key, session in server.seen if session}
    assert len(by_session) == len({session for session, _ in by_session}) == 8


async def test_the_least_recently_used_session_ends_and_is_opened_again_when_needed(
    serve, service_at, key_ring
):
    server = Server()
    server.keys = {"K1", "K2", "K3"}
    service = service_at(await serve(server), sessions=2)
    waiting = asyncio.create_task(service.call("waits", {}, key_ring("K1")))
    await server.entered.wait()
    for key in ("K2", "K3", "K1"):
        assert (await service.call("weather", {"city": key}, key_ring(key))).ok
    server.gate.set()
    assert (await waiting).text == "done"  # its session was retired, not cut
    assert server.counts["initialize"] == 4


async def test_the_list_of_tools_is_taken_for_current_only_so_long(serve, service_at, key_ring):
    now = 0.0
    server = Server()
    service = service_at(await serve(server), tools_seconds=300, clock=lambda: now)
    access = key_ring("K1")
    await service.tools(access)
    now = 299
    await service.tools(access)
    assert server.counts["tools/list"] == 1
    now = 301
    server.answer = Response(status_code=500)
    assert await service.tools(access)  # what was listed before stays
    now = 700
    server.answer = None
    await service.tools(access)
    assert server.counts["tools/list"] == 3


async def test_after_a_failure_listing_pauses_but_calls_try(serve, service_at, key_ring):
    now = 0.0
    server = Server()
    server.answer = Response("x", media_type="text/html")
    service = service_at(await serve(server), pause_seconds=5, clock=lambda: now)
    access = key_ring("K1")
    await failure_of(service.tools(access))
    await failure_of(service.tools(access))
    assert server.counts["initialize"] == 1
    server.answer = None
    assert (await service.call("weather", {"city": "x"}, access)).ok
    assert await service.tools(access)
    assert server.counts["initialize"] == 2


async def test_what_was_listed_before_is_offered_while_the_server_is_down(serve, service_at, key_ring):
    server = Server()
    service = service_at(await serve(server))
    access = key_ring("K1")
    tools = await service.tools(access)
    service._drop(next(iter(service._sessions)))
    server.answer = Response("x", media_type="text/html")
    assert await service.tools(access) == tools
    requests = server.counts.total()
    assert await service.tools(access) == tools  # paused: no request
    assert server.counts.total() == requests
    server.keys.clear()
    service._paused_until = None
    assert (await failure_of(service.tools(access))).status == 401  # a refused key is offered nothing


async def test_a_server_that_hangs_delays_the_listing_only_so_long(serve, service_at, key_ring):
    server = Server()
    server.answer = StreamingResponse(_never(), media_type="text/event-stream")
    service = service_at(await serve(server), listing_seconds=0.1)
    await failure_of(service.tools(key_ring("K1")))
    started = asyncio.get_running_loop().time()
    await failure_of(service.tools(key_ring("K1")))
    assert asyncio.get_running_loop().time() - started < 0.1


@pytest.mark.promise("heals-by-itself")
async def test_an_opening_that_hangs_does_not_hold_up_calls_once_the_server_is_well(
    serve, service_at, key_ring
):
    server = Server()
    server.answer = StreamingResponse(_never(), media_type="text/event-stream")
    service = service_at(await serve(server), listing_seconds=0.1)
    await failure_of(service.call("weather", {"city": "x"}, key_ring("K1")))
    server.answer = None
    assert (await service.call("weather", {"city": "x"}, key_ring("K1"))).ok


async def _never():
    await asyncio.Event().wait()
    yield b""


async def test_an_echoed_key_does_not_reach_the_model(serve, service_at, key_ring):
    server = Server()
    server.keys = {"sk-canary"}
    service = service_at(await serve(server))
    result = await service.call("weather", {"city": "sk-canary"}, key_ring("sk-canary"))
    assert result.text == "sunny in **redacted**"


async def test_what_is_shared_is_opened_without_the_variables_of_the_run_that_needed_it(
    serve, service_at, key_ring
):
    seen = {}

    async def note(request):
        if request.method == "POST":
            seen[json.loads(request.content)["method"]] = caller.get()

    service = service_at(await serve(Server()))
    service._http.event_hooks["request"] = [note]
    caller.set("alice")
    assert (await service.call("weather", {"city": "x"}, key_ring("K1"))).ok
    assert seen["initialize"] == seen["notifications/initialized"] == "nobody"
    assert seen["tools/call"] == "alice"
