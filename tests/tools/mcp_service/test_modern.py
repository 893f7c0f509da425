"""MCP of 2026-07-28 against a strict server: the version, requests, results, and hostile members."""

import asyncio
import base64
import json
from itertools import count

import httpx
import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from identity.credentials.requirement import AccessTokenRequirement
from identity.principal import Caller, Principal
from tests.responsive import responsive
from tests.tools.conftest import OwnAccess
from tests.tools.mcp_service.mcp_server import MIB, Server, failure_of, unchanged, weather
from tests.tools.mcp_service.modern_server import META, TEXT, TOOL, VERSION, ModernServer, decoded, error
from tools.elicitation import ANSWERED, Answered
from tools.error_codes import ToolCode
from tools.mcp_service.modern import ModernSession, header_value
from tools.mcp_service.session import Server as Known
from tools.mcp_service.wire import Wire
from tools.progress import TimeLimit, reported_to

AGAIN = {"resultType": "input_required", "requestState": "s"}
"""A result that wants the call repeated."""


@pytest.fixture
async def server():
    return ModernServer()


@pytest.fixture
async def service(server, serve, service_at):
    return service_at(await serve(server))


@pytest.fixture
async def session(server, key_ring):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(server)) as http:
        wire = Wire(http, "http://localhost/mcp", max_bytes=MIB)
        yield ModernSession(Known(wire, unchanged, 300, lambda: 0.0), key_ring("K1").cached())


def listed(*tools, **members):
    return {"resultType": "complete", "tools": list(tools), **members}


def shaped(**schema):
    return {**TOOL, "inputSchema": {"type": "object", **schema}}


def marked(header="A", kind="string"):
    """The schema of an argument that is sent in a header too."""
    return {"type": kind, "x-mcp-header": header}


def annotated(header, kind="string"):
    """A tool with one such argument."""
    return shaped(properties={"region": marked(header, kind)})


async def test_list_of_a_new_server_proves_its_version_and_a_warm_call_is_one_request(
    server, service, key_ring
):
    access = key_ring("K1")
    assert [tool.name for tool in await service.tools(access)] == ["weather"]
    assert (await service.call("weather", {"city": "x"}, access)).text == "sunny"
    assert server.counts == {"tools/list": 1, "tools/call": 1}
    server.counts.clear()
    assert (await service.call("weather", {}, access)).ok
    assert server.counts == {"tools/call": 1}
    headers, body = server.requests[-1]
    assert body["params"]["_meta"][META + "clientCapabilities"] == {}
    assert body["params"]["_meta"][META + "clientInfo"]["name"] == "idaas-agent"
    assert "mcp-session-id" not in headers


async def test_after_a_restart_no_probe_is_sent_and_a_new_users_first_call_is_one_request(
    server, serve, service_at, key_ring
):
    server.results["tools/list"] = listed(TOOL, cacheScope="public")
    origin = await serve(server)
    for _ in range(2):
        restarted = service_at(origin)
        server.counts.clear()
        assert await restarted.tools(key_ring("K1"))
        assert (await restarted.call("weather", {}, key_ring("K2"))).ok
        assert server.counts == {"tools/list": 1, "tools/call": 1}


ANSWERS = {
    "400 without a body": (Response(status_code=400), "legacy"),
    "400 of the old version": (error(-32600), "legacy"),
    "404": (Response("no", 404), "legacy"),
    "405": (Response("no", 405), "legacy"),
    "unknown method": (error(-32601, 404), "legacy"),
    "empty 202": (Response(status_code=202), "legacy"),
    "versions that are all old": (error(-32022, supported=["2025-11-25", "2025-06-18"]), "legacy"),
    "401": (Response("no", 401), "unproven"),
    "403": (Response("no", 403), "unproven"),
    "500": (Response("no", 500), "unproven"),
    "503": (error(-32601, 503), "unproven"),
    "another mistake": (error(-32020), "modern"),
    "a capability": (error(-32021), "modern"),
    "both versions": (error(-32022, supported=["2025-11-25", VERSION]), "modern"),
}


@pytest.mark.parametrize("method", ["tools/list", "server/discover"])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_answer_to_the_first_list_or_else_to_the_probe_decides_which_version_is_spoken(
    serve, service_at, key_ring, answer, method
):
    """Behind it is a server of the old version, or of the new one. No tool is called to find out."""
    response, verdict = ANSWERS[answer]
    first = response if method == "tools/list" else Response(status_code=503)
    old, new = Server(json=True), ModernServer()
    new.results["server/discover"] = lambda _: response
    new.results["tools/list"] = lambda _: (
        first if verdict != "modern" or new.counts["tools/list"] == 1 else listed(TOOL)
    )

    async def app(scope, receive, send):
        finds_out = dict(scope.get("headers", [])).get(b"mcp-method") in (b"tools/list", b"server/discover")
        await (new if finds_out or verdict == "modern" else old)(scope, receive, send)

    service, access = service_at(await serve(app)), key_ring("K1")
    assert (await service.call("weather", {"city": "x"}, access)).ok
    assert old.counts["initialize"] == (verdict != "modern")
    probes = verdict == "unproven" or method == "server/discover"
    assert new.counts["server/discover"] == probes
    assert (await service.call("weather", {"city": "x"}, key_ring("K2"))).ok
    assert new.counts["server/discover"] == (2 if verdict == "unproven" else probes)


async def test_server_that_is_replaced_by_one_of_another_version_is_probed_again(serve, service_at, key_ring):
    now, old, new = 1.0, Server(), ModernServer()
    current, gateway = old, None  # which refuses all of the newer version

    async def app(scope, receive, send):
        modern = b"mcp-method" in dict(scope.get("headers", []))
        await (gateway if gateway and modern else current)(scope, receive, send)

    service, access = service_at(await serve(app), clock=lambda: now), key_ring("K1", "K2")
    for current in (old, new, old):  # noqa: B007 - the server reads it
        assert (await service.call("weather", {"city": "x"}, access)).ok
    assert (old.counts["tools/call"], old.counts["tools/call of 2026-07-28"]) == (2, 1)
    assert new.counts["tools/call"] == 2  # the first one in the older version, which it refuses
    for status in (401, 503):
        current, gateway = new, None
        assert (await service.call("weather", {"city": "x"}, access)).ok
        current, gateway = old, Response(status_code=status)
        for now in (now, now + 301):  # noqa: B007, B020 - the service reads it
            assert (await failure_of(service.call("weather", {"city": "x"}, access))).status == status
        assert (await service.call("weather", {"city": "x"}, access)).text == "sunny in x"


async def test_call_that_a_new_server_rejects_is_sent_once_and_leaves_the_session(server, service, key_ring):
    access = key_ring("K1")
    assert (await service.call("weather", {}, access)).ok
    for response in (Response(status_code=404), Response("no", 400), Response(status_code=500)):
        server.counts.clear()
        server.results["tools/call"] = lambda _, response=response: response
        assert (await failure_of(service.call("weather", {}, access))).status == response.status_code
        assert (server.counts["tools/call"], server.counts["tools/list"]) == (1, 0)
    for code, status in ((-32602, 400), (-32600, 400), (-32601, 404), (-32021, 400)):
        server.results["tools/call"] = lambda _, code=code, status=status: error(code, status)
        assert (await service.call("weather", {}, access)).text == f"error {code}: no"


async def test_server_without_a_common_version_is_an_error_that_says_so(server, service, key_ring):
    for method in ("server/discover", "tools/list"):
        server.results[method] = lambda _: error(-32022, supported=["3000-01-01"])
    assert "no version" in (await failure_of(service.tools(key_ring("K1")))).detail


LACKS = 'Bearer error="insufficient_scope", scope='
TOKEN = AccessTokenRequirement("https://maps.example|read", ("write", "admin"))


@pytest.mark.parametrize(
    ("challenge", "detail"),
    [
        (None, "status 403"),
        ("Bearer", "status 403"),
        ('Bearer error="invalid_token", scope="a"', "status 403"),
        (f'{LACKS}"x:write y"', 'status 403: the credential lacks "x:write y"'),
        ('Bearer scope="K1 é", error=insufficient_scope', "status 403"),
        ('Bearer scope="K1", error=insufficient_scope', 'status 403: the credential lacks "**redacted**"'),
    ],
)
async def test_403_renews_no_credential_and_names_what_is_missing(
    server, service, key_ring, challenge, detail
):
    access = key_ring("K1", "K2")
    await service.tools(access)
    headers = {"www-authenticate": challenge} if challenge else {}
    server.results["tools/call"] = lambda _: Response(status_code=403, headers=headers)
    failure = await failure_of(service.call("weather", {}, access))
    assert (failure.status, failure.detail) == (403, f'"maps": {detail}')
    assert (access.renewals, access.stepped) == ([], [])


@pytest.fixture
async def lacking(server, serve, service_at, key_ring):
    """The call of a service that may step up, for a challenge of the server; `K1` lacks what it wants."""

    def lacking(challenge, accepted=("K2", "K3")):
        def called(_):
            key = server.requests[-1][0]["authorization"].removeprefix("Bearer ")
            refused = Response(status_code=403, headers={"www-authenticate": challenge})
            return TEXT if key in accepted else refused

        server.results["tools/call"] = called
        return service.call("weather", {}, access), access

    service, access = service_at(await serve(server), TOKEN), key_ring("K1")
    return lacking


@pytest.mark.parametrize("scope", ["write", "read write", "https://maps.example|write"])
async def test_missing_permission_is_requested_once_beside_those_of_the_service(lacking, server, scope):
    call, access = lacking(f'{LACKS}"{scope}"')
    assert (await call).text == "sunny"
    assert [each.scope for each in access.stepped] == ["https://maps.example|read https://maps.example|write"]
    assert (access.renewals, server.counts["tools/call"]) == ([], 2)
    assert (access.stepped[0].audience, access.stepped[0].permission) == (
        "https://maps.example",
        "read write",
    )


async def test_refusal_after_the_permission_was_obtained_is_final(lacking, server):
    call, access = lacking(f'{LACKS}"admin write"', accepted=())
    assert (await failure_of(call)).code is ToolCode.PERMISSION_MISSING
    assert [each.permission for each in access.stepped] == ["read admin write"]
    assert server.counts["tools/call"] == 2


async def test_permission_that_a_tool_needed_is_requested_at_once_by_its_next_call_of_this_user(
    server, serve, service_at, key_ring
):
    now = 0.0
    challenge = Response(status_code=403, headers={"www-authenticate": f'{LACKS}"write"'})
    server.results["tools/list"] = listed(TOOL, {**TOOL, "name": "other"}, cacheScope="public")
    server.results["tools/call"] = lambda params: (
        challenge
        if params["name"] == "weather" and server.requests[-1][0]["authorization"] == "Bearer K1"
        else TEXT
    )
    service, access = service_at(await serve(server), TOKEN, clock=lambda: now), key_ring("K1")
    alice = Caller(Principal("https://idp.example", "alice"))

    async def sent(tool="weather", caller=None):
        access.caller = caller
        server.counts.clear()
        assert (await service.call(tool, {}, access)).ok
        return server.counts["tools/call"]

    assert [await sent(), await sent(), await sent("other"), await sent(caller=alice)] == [2, 1, 1, 2]
    assert len(access.stepped) == 3
    now = 301
    assert (await sent(), access.renewals) == (2, [])


async def test_refused_token_with_the_permission_is_renewed(lacking, server):
    server.keys = {"K1", "K3"}
    call, access = lacking(f'{LACKS}"write"')
    assert (await call).text == "sunny"
    assert (len(access.stepped), server.counts["tools/call"]) == (1, 2)


@pytest.mark.promise("servers-cannot-steer")
@pytest.mark.parametrize(
    "scope", ["delete", "write delete", "read", ".all", "https://other.example|write", "write|admin"]
)
async def test_permission_that_is_not_declared_is_never_requested(lacking, server, scope):
    call, access = lacking(f'{LACKS}"{scope}"')
    failure = await failure_of(call)
    assert (failure.code, scope in failure.detail) == (ToolCode.PERMISSION_MISSING, True)
    assert scope not in failure.for_person()
    assert (access.stepped, access.renewals, server.counts["tools/call"]) == ([], [], 1)


@pytest.mark.parametrize(
    "text", ["weather", "a b", "查天气", " a", "=?base64?eA==?=", "", "a\r\nHost: x", "é"]
)
def test_header_has_the_text_as_it_is_or_in_base64(text):
    value = header_value(text)
    assert decoded(value) == text
    assert (value == text) is (text in ("weather", "a b"))
    assert value.isascii()
    assert value.isprintable()


async def test_annotated_arguments_are_sent_in_headers_too(server, service, key_ring):
    properties = {
        "region": marked("Region"),
        "inner": {"type": "object", "properties": {"n": marked("N", "integer")}},
        "on": marked("On", "boolean"),
        "x-mcp-header": {"type": "string"},
    }
    server.results["tools/list"] = listed(shaped(properties=properties))
    arguments = {"region": "杭州", "inner": {"n": 7}, "on": False, "x-mcp-header": "x"}
    assert (await service.call("weather", arguments, key_ring("K1"))).ok
    headers, body = server.requests[-1]
    found = {name: decoded(value) for name, value in headers.items() if name.startswith("mcp-param-")}
    assert found == {"mcp-param-region": "杭州", "mcp-param-n": "7", "mcp-param-on": "false"}
    assert body["params"]["arguments"] == arguments
    for unsendable in ({"region": "x" * 9_000}, {"inner": {"n": 2**53}}):
        result = await service.call("weather", unsendable, key_ring("K1"))
        assert (result.ok, result.called) == (False, False)


INVALID = {
    "an empty name": annotated(""),
    "a second line": annotated("A\r\nAuthorization"),
    "no text": annotated(7),
    "a number": annotated("A", "number"),
    "several types": annotated("A", ["string", "null"]),
    "the root": shaped(**{"x-mcp-header": "A"}),
    "an item": shaped(properties={"a": {"items": marked()}}),
    "a choice": shaped(anyOf=[{"properties": {"a": marked()}}]),
    "twice": shaped(properties={"a": marked("a"), "b": marked("A")}),
}


@pytest.mark.promise("servers-cannot-steer")
@pytest.mark.parametrize("what", INVALID)
async def test_tool_with_an_invalid_annotation_is_not_offered(server, service, key_ring, what, caplog):
    server.results["tools/list"] = listed({**INVALID[what], "name": "odd"}, TOOL)
    assert [tool.name for tool in await service.tools(key_ring("K1"))] == ["weather"]
    assert "x-mcp-header" in caplog.text


async def test_changed_annotation_is_listed_again_and_the_call_repeated_once(server, service, key_ring):
    access = key_ring("K1")
    await service.tools(access)
    server.results["tools/list"] = listed(annotated("Region"))

    def strict(_):
        return TEXT if "mcp-param-region" in server.requests[-1][0] else error(-32020)

    server.results["tools/call"] = strict
    assert (await service.call("weather", {"region": "x"}, access)).ok
    assert not (await service.call("weather", {}, access)).ok
    assert server.counts["tools/call"] == 4


async def test_server_that_asks_is_answered_at_once_and_its_question_is_not_shown(server, service, key_ring):
    asked = {"q": {"method": "elicitation/create", "params": {"message": "your password"}}}
    server.results["tools/call"] = {
        "resultType": "input_required",
        "inputRequests": asked,
        "requestState": "s",
    }
    result = await service.call("weather", {}, key_ring("K1"))
    assert (result.ok, server.counts["tools/call"]) == (False, 1)
    assert "password" not in result.text


async def test_call_without_a_question_is_repeated_with_the_unchanged_state(server, service, key_ring):
    states = []

    def called(params):
        states.append(params.get("requestState"))
        return (
            TEXT
            if len(states) == 3
            else {"resultType": "input_required", "requestState": "a\u2028é" * len(states)}
        )

    server.results["tools/call"] = called
    assert (await service.call("weather", {"city": "x"}, key_ring("K1"))).text == "sunny"
    assert states == [None, "a\u2028é", "a\u2028éa\u2028é"]
    ids = [body["id"] for _, body in server.requests]
    assert len(set(ids)) == len(ids)


HOSTILE = {
    "endless rounds": AGAIN,
    "a state of a megabyte": {**AGAIN, "requestState": "s" * 900_000},
    "a task": {"resultType": "task", "taskId": "1", "status": "working"},
    "content that is a text": {"resultType": "complete", "content": "sunny"},
    "no content": {"resultType": "complete"},
    "odd members": {"resultType": ["complete"], "content": [7], "inputRequests": 5},
}


@pytest.mark.promise("servers-cannot-steer")
@pytest.mark.parametrize("what", HOSTILE)
async def test_hostile_result_ends_the_call_within_bounds(server, service, key_ring, what):
    server.results["tools/call"] = HOSTILE[what]
    async with responsive():
        if what == "endless rounds":
            assert not (await service.call("weather", {}, key_ring("K1"))).ok
        else:
            await failure_of(service.call("weather", {}, key_ring("K1")))
    assert server.counts["tools/call"] <= 10


@pytest.mark.parametrize("size", [10 * MIB, 100])
async def test_body_of_a_refusal_is_read_within_a_bound(server, service, key_ring, size):
    body = json.dumps({"jsonrpc": "2.0", "error": {"code": -32602, "message": "m" * size}})
    server.results["tools/call"] = lambda _: Response(body, 400)
    if size == 100:
        assert "m" * size in (await service.call("weather", {}, key_ring("K1"))).text
    else:
        assert (await failure_of(service.call("weather", {}, key_ring("K1")))).status == 400


async def test_abandoned_call_closes_its_stream_and_affects_no_other(server, service, key_ring):
    server.results["tools/call"] = lambda params: server.hang() if params["arguments"] else TEXT
    waiting = asyncio.create_task(service.call("weather", {"city": "x"}, key_ring("K1")))
    await server.hanging.wait()
    assert (await service.call("weather", {}, key_ring("K1"))).ok
    waiting.cancel()
    await asyncio.wait_for(server.left.wait(), 5)
    assert server.counts == {"tools/list": 1, "tools/call": 2}


async def test_broken_stream_is_an_error_and_is_not_sent_again(server, service, key_ring):
    access = key_ring("K1")
    await service.tools(access)
    server.results["tools/call"] = lambda _: Response(": no\n\n", media_type="text/event-stream")
    await failure_of(service.call("weather", {}, access))
    assert server.counts["tools/call"] == 1
    server.results["tools/call"] = lambda _: JSONResponse({"jsonrpc": "2.0", "id": 999, "result": TEXT})
    await failure_of(service.call("weather", {}, access))


@pytest.mark.promise("users-never-cross")
@pytest.mark.parametrize(("scope", "lists"), [("public", 1), ("private", 2), (None, 2), (["public"], 2)])
async def test_public_list_is_one_for_all_users_and_any_other_is_of_its_credential(
    server, service, key_ring, scope, lists
):
    server.results["tools/list"] = listed(TOOL, ttlMs=60_000, cacheScope=scope)
    one = await service.tools(key_ring("K1"))
    server.counts.clear()
    assert (await service.call("weather", {}, key_ring("K2"))).ok
    assert (server.counts["tools/call"], server.counts["tools/list"]) == (1, lists - 1)
    assert server.counts.total() == lists
    assert (service.cached_tools(key_ring("K2")) is one) is (lists == 1)


@pytest.mark.parametrize(
    ("ttl", "seconds"), [(0, 5), (60_000, 60), (10**400, 300), (None, 300), (-1, 300), ("9", 300), (1e3, 300)]
)
async def test_list_is_current_for_the_time_that_the_server_gives_it_within_bounds(
    server, serve, service_at, key_ring, ttl, seconds
):
    now = 0.0
    service, access = service_at(await serve(server), clock=lambda: now), key_ring("K1")
    server.results["tools/list"] = listed(TOOL, ttlMs=ttl, cacheScope="private")
    await service.tools(access)
    now = seconds - 1
    assert service.cached_tools(access) is not None
    now = seconds + 1
    assert service.cached_tools(access) is None
    server.results["tools/list"] = lambda _: Response(status_code=503)
    assert await service.tools(access)  # the last list


async def test_change_that_a_server_reports_to_the_agent_is_listed_at_once(server, service):
    access, about = OwnAccess("K1"), {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
    server.results["tools/list"] = listed(TOOL, cacheScope="public")
    server.results["subscriptions/listen"] = lambda _: server.hang({"method": "acknowledged"}, about)
    assert len(await service.tools(access)) == 1
    await asyncio.wait_for(server.left.wait(), 5)
    assert service.cached_tools(access) is None
    server.results["tools/list"] = listed(TOOL, {**TOOL, "name": "other"}, ttlMs=60_000)
    assert len(await service.tools(access)) == 2
    assert server.counts == {"tools/list": 2, "subscriptions/listen": 1}  # 60 s need no stream
    assert server.requests[1][1]["params"]["notifications"] == {"toolsListChanged": True}


async def test_stream_of_changes_ends_with_the_service_and_is_none_of_a_users_credential(
    server, service, key_ring
):
    server.results["tools/list"] = listed(TOOL)
    server.results["subscriptions/listen"] = lambda _: server.hang()
    assert (await service.call("weather", {}, key_ring("K2"))).ok
    assert server.counts == {"tools/list": 1, "tools/call": 1}
    await service.tools(OwnAccess("K1"))
    await asyncio.wait_for(server.hanging.wait(), 5)
    await service.aclose()
    await asyncio.wait_for(server.left.wait(), 5)


async def test_all_pages_of_a_list_are_read_and_an_endless_list_ends(server, service, key_ring):
    def page(params):
        tool = {**TOOL, "name": f"t{len(server.requests)}"}
        scope = "private" if params.get("cursor") == "" else "public"
        return listed(tool, nextCursor="" if "cursor" not in params else "more", cacheScope=scope)

    server.results["tools/list"] = page
    assert len(await service.tools(key_ring("K1"))) == server.counts["tools/list"] == 16
    await service.tools(key_ring("K2"))
    assert server.counts["tools/list"] == 32


@pytest.mark.promise("servers-cannot-steer")
@pytest.mark.parametrize("number", ["1e999", "-1E+400", "Infinity", "NaN", f"{10**400}.5"])
async def test_number_that_json_cannot_carry_on_reaches_neither_the_model_nor_a_form(
    server, service, key_ring, number
):
    """One default of a schema would end every chat: no request to the model could be written."""

    def sent(result):
        body = {"jsonrpc": "2.0", "id": server.requests[-1][1]["id"], "result": result}
        text = json.dumps(body).replace('"number"', number)
        return Response(text, media_type="application/json")

    server.results["tools/call"] = lambda _: sent({**TEXT, "structuredContent": "number"})
    await failure_of(service.call("weather", {}, key_ring("K1")))
    tool = shaped(properties={"a": {"type": "integer", "default": "number"}})
    server.results["tools/list"] = lambda _: sent(listed(tool))
    await failure_of(service.tools(key_ring("K2")))


CONTENT = {
    "sunny": {"type": "text", "text": "sunny"},
    "[image, image/png, 3 bytes, not shown]": {"type": "image", "data": "QUJD", "mimeType": "image/png"},
    "[audio, 3 bytes, not shown]": {"type": "audio", "data": "QUJD", "mimeType": 7},
    "[link, R, r, x:/]": {"type": "resource_link", "uri": "x:/", "name": "r", "title": "R"},
    "inside": {"type": "resource", "resource": {"uri": "x:/", "text": "inside"}},
    "[resource, x:/, 3 bytes, not shown]": {"type": "resource", "resource": {"uri": "x:/", "blob": "QUJD"}},
    "[content, not shown]": {"type": {"text": "x"}},
}


async def test_content_that_is_no_text_is_described_without_its_bytes(server, service, key_ring):
    server.results["tools/call"] = {"content": list(CONTENT.values())}
    result = await service.call("weather", {}, key_ring("K1"))
    assert result.text.split("\n") == list(CONTENT)
    assert result.files == [("image.png", b"ABC"), ("audio", b"ABC"), ("resource", b"ABC")]


async def test_files_are_named_by_their_address_and_hold_no_credential(server, service, key_ring):
    blob = base64.b64encode(b"\0K1\0").decode()
    sent = [
        {"uri": f"file:///reports/{name}", "blob": data} for name, data in (("a.pdf", "QUJD"), ("b", blob))
    ]
    content = [{"type": "resource", "resource": each} for each in sent]
    server.results["tools/call"] = {"content": [*content, {"type": "image", "data": "%%"}]}
    result = await service.call("weather", {}, key_ring("K1"))
    assert result.files == [("a.pdf", b"ABC")]


@pytest.mark.parametrize("value", [None, [1, {"a": "é"}], "sunny", 7, {"content": "b"}])
async def test_structured_output_may_be_any_json(server, service, key_ring, value):
    server.results["tools/call"] = {"content": [], "structuredContent": value}
    assert json.loads((await service.call("weather", {}, key_ring("K1"))).text) == value


async def test_progress_of_the_own_call_holds_off_the_time_limit(server, session):
    def progress(token=None, value=1, **more):
        def report(body):
            own = body["params"]["_meta"]["progressToken"]
            params = {"progressToken": token or own, "progress": value, **more}
            return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}

        return report

    server.streams, reports = True, []
    server.before = [progress(), progress(), progress("x", 2), progress(value="3")]
    server.before += [progress(value=4, total=8, message="half"), progress(value=5, total=0, message=7)]
    server.before += [progress(value=10**400, total=0.5)]
    with reported_to(lambda *report: reports.append(report)):
        assert (await session.call(weather())).ok
    assert reports == [(None, ""), (0.5, "half"), (None, ""), (None, "")]
    limit = TimeLimit(60)
    async with limit.timeout:
        before = limit.timeout.when() - 1
        limit.timeout.reschedule(before)
        limit.progressed()
        assert before < limit.timeout.when() < before + 60


async def test_endless_progress_ends(server, serve, service_at, key_ring):
    def endless(params):
        token = params["_meta"]["progressToken"]

        async def stream():
            for number in count():
                about = {"progressToken": token, "progress": number}
                report = {"method": "notifications/progress", "params": about}
                yield f"data: {json.dumps(report)}\n\n"
                await asyncio.sleep(0.02)

        return StreamingResponse(stream(), media_type="text/event-stream")

    server.results["tools/call"] = endless
    service = service_at(await serve(server), seconds=0.1)
    assert "within 0.1 s" in (await failure_of(service.call("weather", {}, key_ring("K1")))).detail


ASKED = {
    "q": {
        "method": "elicitation/create",
        "params": {"message": "How many?", "requestedSchema": {"type": "object", "properties": {}}},
    }
}
"""A server's questions."""


KEY = "K-" + "0123456789" * 60
"""Longer than every text that is cut."""
ECHOES = {
    "link": {"content": [{"type": "resource_link", "uri": KEY, "name": f"name {KEY}"}]},
    "media type": {"content": [{"type": "image", "mimeType": f"image/{KEY}", "data": "QUJD"}]},
    "kind": {"content": [{"type": KEY}]},
    "name of a file": {
        "content": [{"type": "resource", "resource": {"uri": f"file:///{KEY}.pdf", "blob": "QUJD"}}]
    },
    "structure": {"structuredContent": {KEY: KEY}},
}


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("echo", ECHOES)
async def test_no_part_of_a_credential_is_left_where_a_text_of_a_result_is_cut(
    server, service, key_ring, echo
):
    server.keys = {KEY}
    server.results["tools/call"] = {"resultType": "complete", **ECHOES[echo]}
    result = await service.call("weather", {}, key_ring(KEY))
    assert KEY[:10] not in f"{result.text} {[name for name, _ in result.files]}"
    assert "**redacted**" in result.text


@pytest.mark.promise("no-secret-leaves")
async def test_no_part_of_a_credential_is_left_where_a_question_is_cut(server, service, key_ring):
    server.keys = {KEY}
    question = {"message": "m" * 1_900 + KEY, "requestedSchema": {"type": "object", "properties": {}}}
    asking = {"q": {"method": "elicitation/create", "params": question}}
    server.results["tools/call"] = {"resultType": "input_required", "inputRequests": asking}
    ANSWERED.set(Answered())
    result = await service.call("weather", {}, key_ring(KEY))
    assert "K-" not in str(result.asks.questions)


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("written", [str, lambda key: base64.urlsafe_b64encode(f"a{key}".encode()).decode()])
async def test_state_with_the_credential_is_not_kept(server, service, key_ring, written):
    """It would be stored with the question, where a key file may be missing."""
    server.keys = {KEY}
    asks = {"resultType": "input_required", "inputRequests": ASKED, "requestState": f"s {written(KEY)}"}
    server.results["tools/call"] = asks
    ANSWERED.set(Answered())
    result = await service.call("weather", {}, key_ring(KEY))
    assert (result.asks, result.ok, "the credential" in result.text) == (None, False, True)
