"""Requests of an HTTP service: their URL, their credential, and their failures."""

import json
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from idaas_agent import ToolResult
from idaas_agent.testing import ToolsUnderTest
from tests.recorder import Recorder, bearer
from tests.tools.service_failure import failure_of
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.error_codes import ToolCode
from tools.http_service.service import HTTPService


@pytest.mark.promise("model-cannot-steer")
async def test_credential_is_attached_to_the_url_of_the_service(serve, service_at, key_ring):
    recorder = Recorder(lambda _: Response("hello"))
    service = service_at(await serve(recorder) + "/base?version=1")
    result = await service.call("get", {}, key_ring("K1"))
    assert (result.text, result.ok) == ("hello", True)
    (request,) = recorder.requests
    assert (request.url.path, request.url.query, bearer(request)) == ("/base", "version=1", "K1")


@pytest.mark.promise("model-cannot-steer")
async def test_argument_is_encoded_into_one_path_segment(serve, service_at, key_ring):
    recorder = Recorder(lambda _: Response("ok"))
    service = service_at(await serve(recorder) + "/base/?version=1")
    await service.call("order", {"number": "../../admin?x=1#y//evil.example"}, key_ring("K1"))
    (request,) = recorder.requests
    assert request.scope["raw_path"] == b"/base/orders/..%2F..%2Fadmin%3Fx%3D1%23y%2F%2Fevil.example"
    assert request.url.query == "version=1&lines=2"
    for number in ("..", ".", ""):
        await failure_of(service.call("order", {"number": number}, key_ring("K1")))
    assert len(recorder.requests) == 1


@pytest.mark.promise("model-cannot-steer")
@pytest.mark.parametrize("name", ["Host", "authorization", "Cookie", "Transfer-Encoding", "X_y", ""])
async def test_further_headers_of_a_tool_are_for_conditions_and_retries_or_begin_with_x(
    serve, service_at, key_ring, name
):
    recorder = Recorder(lambda _: Response("ok", headers={"ETag": '"7"'}))
    service = service_at(await serve(recorder))

    @service.tool
    async def tagged(http, name: str):
        """Sends a header."""
        return (await http.get(headers={"X-Tag": "1", name: "2"})).headers["etag"]

    await failure_of(service.call("tagged", {"name": name}, key_ring("K1")))
    assert recorder.requests == []
    assert (await service.call("tagged", {"name": "x-acs-action"}, key_ring("K1"))).ok
    (request,) = recorder.requests
    assert (request.headers["x-tag"], request.headers["x-acs-action"], bearer(request)) == ("1", "2", "K1")
    for of_request in ("If-Match", "If-None-Match", "Idempotency-Key"):
        assert (await service.call("tagged", {"name": of_request}, key_ring("K1"))).text == '"7"'
        assert recorder.requests[-1].headers[of_request] == "2"


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credential_is_renewed_once_and_the_request_sent_again(
    serve, service_at, key_ring, status
):
    recorder = Recorder(
        lambda r: Response("in" if bearer(r) == "K2" else "out", 200 if bearer(r) == "K2" else status)
    )
    service = service_at(await serve(recorder))
    access = key_ring("K1", "K2")
    assert (await service.call("send", {"message": "你好"}, access)).text == "in"
    assert [bearer(r) for r in recorder.requests] == ["K1", "K2"]
    assert [c.secret.reveal() for c in access.renewals] == ["K1"]
    assert [json.loads(body) for body in recorder.bodies] == [{"message": "你好"}] * 2


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            {"Code": "JWTTokenIsMissing", "Message": "the jwt token is missing"},
            ToolCode.ENTERPRISE_JWT_REJECTED,
        ),
        ({"error": "insufficient_scope"}, ToolCode.SERVICE_FAILED),
    ],
)
async def test_second_refusal_fails_with_the_code_of_its_reason(serve, service_at, key_ring, body, code):
    recorder = Recorder(lambda _: JSONResponse(body, 403))
    service = service_at(await serve(recorder))
    error = await failure_of(service.call("get", {}, key_ring("K1", "K2")))
    assert (error.code, error.status, len(recorder.requests)) == (code, 403, 2)


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_other_statuses_fail_without_a_retry_and_without_the_body(serve, service_at, key_ring, status):
    recorder = Recorder(lambda _: Response("upstream says canary", status))
    service = service_at(await serve(recorder), error_code=ToolCode.EXTERNAL_SERVICE_FAILED)
    error = await failure_of(service.call("get", {}, key_ring("K1")))
    assert (error.code, error.status, len(recorder.requests)) == (ToolCode.EXTERNAL_SERVICE_FAILED, status, 1)
    assert "canary" not in f"{error} {error.detail}"


@pytest.mark.promise("model-cannot-steer")
async def test_redirects_are_not_followed(serve, service_at, key_ring):
    elsewhere = Recorder(lambda _: Response("stolen"))
    target = await serve(elsewhere)
    recorder = Recorder(lambda _: RedirectResponse(target))
    service = service_at(await serve(recorder))
    assert (await failure_of(service.call("get", {}, key_ring("K1")))).status == 307
    assert elsewhere.requests == []


@pytest.mark.promise("users-never-cross")
async def test_cookies_of_one_caller_are_not_sent_with_the_call_of_another(serve, service_at, key_ring):
    recorder = Recorder(lambda _: Response("ok", headers={"Set-Cookie": "session=alice; Path=/"}))
    service = service_at(await serve(recorder))
    await service.call("get", {}, key_ring("alice"))
    await service.call("get", {}, key_ring("bob"))
    assert [r.headers.get("cookie") for r in recorder.requests] == [None, None]


async def test_unreachable_service_fails_with_its_code(service_at, key_ring):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    service = service_at(f"http://127.0.0.1:{port}")
    error = await failure_of(service.call("get", {}, key_ring("K1")))
    assert (error.code, error.status) == (ToolCode.SERVICE_FAILED, None)


async def test_service_without_a_credential_is_called_without_one(serve, key_ring):
    recorder = Recorder(lambda _: Response("ok"))
    service = HTTPService("public", await serve(recorder))

    @service.tool
    async def get(http):
        """Gets."""
        return (await http.get()).text

    assert (await service.call("get", {}, key_ring("K1"))).ok
    assert "authorization" not in recorder.requests[0].headers
    await service.aclose()


@pytest.mark.parametrize(
    "url", ["http://a.example", "ftp://localhost", "https://u:p@a.example", "https://a.example/#x", "x"]
)
@pytest.mark.promise("model-cannot-steer")
def test_insecure_url_is_refused(url):
    with pytest.raises(ValueError, match="service URL"):
        HTTPService("x", url)


async def test_policy_given_for_the_service_replaces_that_of_the_tool(service_at):
    given = ToolPolicy(mode=ApprovalMode.DENY)
    service = service_at("https://x.example", policies={"remove": given, "paint": given})

    @service.tool(policy=ToolPolicy(Effect.WRITE))
    async def remove(http):
        """Removes."""

    @service.tool(policy=ToolPolicy(Effect.EXTERNAL))
    async def mail(http):
        """Sends a mail."""

    policies = [service.policy(name) for name in ("remove", "mail", "get")]
    assert policies == [given, ToolPolicy(Effect.EXTERNAL), ToolPolicy(Effect.READ)]
    assert service.unused_policies == ["paint"]


async def test_prefix_begins_the_names_of_the_tools(service_at, key_ring):
    given = ToolPolicy(mode=ApprovalMode.DENY)
    service = service_at("https://x.example", prefix="x_", policies={"remove": given, "paint": given})

    @service.tool
    async def remove(http):
        """Removes."""
        return "removed"

    names = {tool.name for tool in await service.tools(key_ring("K1"))}
    assert names == service.tool_names
    assert "x_remove" in names
    assert (await service.call("x_remove", {}, key_ring("K1"))).text == "removed"
    unknown = await service.call("remove", {}, key_ring("K1"))
    assert (unknown.ok, unknown.called) == (False, False)
    assert (service.policy("x_remove"), service.unused_policies) == (given, ["paint"])
    with pytest.raises(ValueError, match="name of a function"):
        service_at("https://x.example", prefix="x" * 60, tools=[remove])


async def test_tool_sends_a_form_with_a_file_and_reads_the_bytes_of_the_response():
    def scans(service, _):
        @service.tool
        async def scan(http, name: str):
            """Scans."""
            form, files = {"name": name, "lang": "zh"}, {"page": ("p.bin", b"\x00\xff")}
            sent = await http.request("POST", "forms", form=form)
            filed = await http.request("PUT", "files", form=form, files=files)
            return ToolResult(f"{sent.status} {filed.content == filed.text.encode()}")

        @service.tool
        async def leak(http):
            """Returns what the service echoes."""
            return (await http.get()).content.decode()

    tools = ToolsUnderTest(scans)
    tools.responds(text="扫描")
    assert (await tools.call("scan", name="a&b")).text == "200 True"
    form, file = tools.requests
    assert (form.path, form.body) == ("/forms", "name=a%26b&lang=zh")
    assert file.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert 'name="page"; filename="p.bin"' in file.body
    assert form.credential == file.credential == "token-1"
    tools.responds(text="you sent token-1")
    await tools.call("leak")
    assert "token-1" not in (await tools.call("leak")).text


class Pieces(AsyncIterator):
    """A thousand bytes `left` times, as an iterator that is no generator."""

    def __init__(self, left):
        self.left = left

    async def __anext__(self):
        if not self.left:
            raise StopAsyncIteration
        self.left -= 1
        return b"x" * 1000


@pytest.fixture
async def uploads(serve, service_at):
    """A service that accepts K2, whose tools upload `size` kilobytes as a stream, and what it received."""
    recorder = Recorder(lambda r: Response("in", 200 if bearer(r) == "K2" else 401))
    service = service_at(url := await serve(recorder), max_request_bytes=100_000)

    @service.tool
    async def upload(http, size: int):
        """Uploads."""
        headers = {"Content-Type": "application/pdf"}
        return (await http.request("PUT", "file", content=Pieces(size), headers=headers)).text

    @service.tool
    async def upload_by_sdk(auth: httpx.Auth, size: int):
        """Uploads."""
        async with httpx.AsyncClient(auth=auth) as http:
            return str((await http.put(url, content=Pieces(size))).status_code)

    return service, recorder


@pytest.mark.promise("bounded")
async def test_streamed_body_is_sent_in_chunks_with_its_type_up_to_the_limit_of_the_entry(uploads, key_ring):
    service, recorder = uploads
    assert (await service.call("upload", {"size": 100}, key_ring("K2"))).text == "in"
    headers = recorder.requests[0].headers
    assert (headers["content-type"], headers["transfer-encoding"]) == ("application/pdf", "chunked")
    assert recorder.bodies == [b"x" * 100_000]
    error = await failure_of(service.call("upload", {"size": 101}, key_ring("K2")))
    assert ("at most 100000 bytes" in error.detail, service.pool_use.in_use) == (True, 0)
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("fault", [FileNotFoundError, TimeoutError, httpx.ReadError])
async def test_error_of_the_iterator_of_a_streamed_body_is_the_tools_own(serve, service_at, key_ring, fault):
    recorder = Recorder(lambda _: Response("in"))
    service = service_at(await serve(recorder))

    async def pieces():
        yield b"begun"
        raise fault("of the tool")

    @service.tool
    async def upload(http):
        """Uploads."""
        return (await http.request("PUT", "file", content=pieces())).text

    with pytest.raises(fault, match="of the tool"):
        await service.call("upload", {}, key_ring("K1"))
    assert (service.pool_use.in_use, recorder.bodies) == (0, [])
    assert (await service.call("get", {}, key_ring("K1"))).text == "in"  # by another connection


@pytest.mark.promise("heals-by-itself")
async def test_streamed_body_is_never_sent_again_half_read_and_the_next_has_a_renewed_credential(
    uploads, key_ring
):
    service, recorder = uploads
    access = key_ring("K1", "K2")
    error = await failure_of(service.call("upload", {"size": 3}, access))
    assert (error.status, "sent once" in error.detail) == (401, True)
    assert (await service.call("upload", {"size": 3}, access)).text == "in"
    access = key_ring("K1", "K2")
    by_sdk = [(await service.call("upload_by_sdk", {"size": 3}, access)).text for _ in range(2)]
    assert by_sdk == ["401", "200"]
    assert recorder.bodies == [b"x" * 3000] * 4


@pytest.mark.promise("no-secret-leaves")
async def test_credential_is_lent_by_a_service_that_says_so_renewed_and_in_no_result(service_at, key_ring):
    async def taken(http, refused: bool):
        """Takes it as a value."""
        value = await http.credential()
        if refused:
            value = await http.credential(value)
        text = value.secret.reveal()
        return ToolResult(f"{value} {text}", files=[("notes", text.encode()), ("kept", b"other")])

    kept, lent = service_at("https://x.example", tools=[taken]), service_at("https://y.example", lends=True)
    lent.add(taken)
    access = key_ring("K1", "K2")
    assert (
        "lends_credential = true" in (await failure_of(kept.call("taken", {"refused": False}, access))).detail
    )
    for refused in (False, True):
        result = await lent.call("taken", {"refused": refused}, access)
        assert (result.text.count("**redacted**"), result.files) == (2, (("kept", b"other"),))
        assert not {"K1", "K2"} & set(result.text.split())
    assert [each.secret.reveal() for each in access.renewals] == ["K1"]


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("user", ["alice", "alice:password", ":password", "evil.example:443"])
async def test_credential_is_not_attached_to_a_url_with_user_information(serve, service_at, key_ring, user):
    recorder = Recorder(lambda _: Response("in"))
    service = service_at(url := await serve(recorder))

    @service.tool
    async def by_sdk(auth: httpx.Auth):
        """Gets."""
        async with httpx.AsyncClient(auth=auth) as http:
            return (await http.get(url.replace("://", f"://{user}@"))).text

    error = await failure_of(service.call("by_sdk", {}, key_ring("K1")))
    assert ("its own URL only" in error.detail, recorder.requests) == (True, [])
