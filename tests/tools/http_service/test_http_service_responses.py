"""Responses of an HTTP service: which are results, and what the model sees of them."""

import asyncio

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from identity.errors import ServiceError
from tests.recorder import Recorder
from tests.responsive import responsive
from tests.tools.service_failure import failure_of
from tools.error_codes import ToolCode

ENDLESS = 100_000


async def endless(sent):
    """Pieces of 1,000 bytes, which `sent` counts."""
    for _ in range(ENDLESS):
        sent.append(None)
        yield b"x" * 1000
        await asyncio.sleep(0)


@pytest.mark.promise("no-secret-leaves")
async def test_echoed_credential_does_not_reach_the_model(serve, service_at, key_ring):
    recorder = Recorder(lambda r: JSONResponse({"you sent": dict(r.headers)}))
    service = service_at(await serve(recorder))
    result = await service.call("get", {}, key_ring("sk-canary"))
    assert "canary" not in result.text
    assert "Bearer **redacted**" in result.text


async def test_response_beyond_the_limit_is_not_read_to_its_end(serve, service_at, key_ring):
    sent = []
    recorder = Recorder(lambda _: StreamingResponse(endless(sent)))
    service = service_at(await serve(recorder), max_bytes=10_000)
    assert (await failure_of(service.call("get", {}, key_ring("K1")))).code is ToolCode.SERVICE_FAILED
    assert len(sent) < ENDLESS


async def test_stream_is_read_by_lines_while_it_arrives_and_without_the_credential(
    serve, service_at, key_ring
):
    read = asyncio.Event()

    async def lines():
        yield b"one\r\ntw"
        yield b"o K1\n"
        await read.wait()  # the service goes on when the tool has read that much
        yield "Zürich".encode()[:2]
        yield "Zürich".encode()[2:]

    service = service_at(await serve(Recorder(lambda _: StreamingResponse(lines(), headers={"ETag": "K1"}))))

    @service.tool
    async def log(http):
        """Reads a log."""
        found = []
        async with http.stream("GET", "log") as response:
            found.append(f"{response.status} {response.headers['etag']}")
            async for line in response.lines():
                found.append(line)
                if len(found) == 3:
                    read.set()
        return "|".join(found)

    result = await service.call("log", {}, key_ring("K1"))
    assert result.text == "200 **redacted**|one|two **redacted**|Zürich"


async def test_stream_ends_at_the_limit_of_the_entry_and_one_that_is_left_is_closed(
    serve, service_at, key_ring
):
    sent = []
    service = service_at(await serve(Recorder(lambda _: StreamingResponse(endless(sent)))), max_bytes=50_000)

    @service.tool
    async def bytes_of(http, all_of_them: bool):
        """Counts."""
        size = 0
        async with http.stream("POST", json={}) as response:
            async for chunk in response.chunks():
                size += len(chunk)
                if not all_of_them:
                    break
        return str(size)

    assert (
        "larger than 50000 bytes"
        in (await failure_of(service.call("bytes_of", {"all_of_them": True}, key_ring("K1")))).detail
    )
    assert len(sent) < ENDLESS
    assert int((await service.call("bytes_of", {"all_of_them": False}, key_ring("K1"))).text) < 50_000
    assert service.pool_use.in_use == 0


async def test_stream_is_requested_again_with_a_renewed_credential_and_its_refusal_is_an_error(
    serve, service_at, key_ring
):
    def respond(request):
        known = request.headers["authorization"] == "Bearer K2"
        return StreamingResponse(iter([b"in"])) if known else Response("who?", 401)

    service = service_at(await serve(Recorder(respond)))

    @service.tool
    async def whole(http):
        """Reads."""
        async with http.stream("GET") as response:
            return b"".join([chunk async for chunk in response.chunks()]).decode()

    assert (await service.call("whole", {}, key_ring("K1", "K2"))).text == "in"
    assert (await failure_of(service.call("whole", {}, key_ring("K1", "K3")))).status == 401


async def test_location_of_what_was_made_is_shown_and_that_of_a_redirect_is_not(serve, service_at, key_ring):
    recorder = Recorder(lambda _: Response("made", 201, headers={"Location": "/orders/7"}))
    service = service_at(await serve(recorder))

    @service.tool
    async def make(http):
        """Makes an order."""
        return (await http.post()).headers["location"]

    assert (await service.call("make", {}, key_ring("K1"))).text == "/orders/7"


async def test_compressed_response_is_refused(serve, service_at, key_ring):
    recorder = Recorder(lambda _: Response(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}))
    service = service_at(await serve(recorder))
    await failure_of(service.call("get", {}, key_ring("K1")))
    assert recorder.requests[0].headers["accept-encoding"] == "identity"


async def test_long_response_is_cut_for_the_model(serve, service_at, key_ring):
    recorder = Recorder(lambda _: Response("x" * 50_000))
    service = service_at(await serve(recorder))
    assert len((await service.call("get", {}, key_ring("K1"))).text) < 20_100
    service = service_at(await serve(recorder), max_characters=30_000)
    assert 30_000 < len((await service.call("get", {}, key_ring("K1"))).text) < 30_100


async def test_slow_body_ends_at_the_deadline_of_the_call(serve, service_at, key_ring):
    async def drip():
        for _ in range(100):
            yield b"."
            await asyncio.sleep(0.02)

    recorder = Recorder(lambda _: StreamingResponse(drip()))
    service = service_at(await serve(recorder), seconds=0.3)
    error = await failure_of(service.call("get", {}, key_ring("K1")))
    assert (error.code, error.status) == (ToolCode.SERVICE_FAILED, None)


@pytest.mark.promise("heals-by-itself")
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html; charset=utf-8", "\n<!DOCTYPE html><title>Sign in</title>"),
        ("text/html", "<html><body>Sign in</body></html>"),
        ("application/json", '{"orders": ['),
        ("application/problem+json", "[" * 100_000),
    ],
)
async def test_web_page_and_invalid_json_are_no_results(serve, service_at, key_ring, kind, body):
    service = service_at(await serve(Recorder(lambda _: Response(body, headers={"content-type": kind}))))
    with pytest.raises(ServiceError) as caught:
        await service.call("get", {}, key_ring("K1"))
    assert caught.value.code is ToolCode.SERVICE_FAILED
    assert "Sign in" not in caught.value.detail


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/html", "3 orders"),
        ("text/html", '{"orders": 3}'),
        ("application/json", ""),
        ("text/plain", "{"),
    ],
)
async def test_response_of_an_unusual_type_is_the_result(serve, service_at, key_ring, kind, body):
    service = service_at(await serve(Recorder(lambda _: Response(body, headers={"content-type": kind}))))
    assert (await service.call("get", {}, key_ring("K1"))).text == body


CODECS = ["punycode", "idna", "zlib", "rot13", "unicode_escape", "utf-7", "utf-16", "nothing"]


@pytest.mark.parametrize("codec", CODECS)
async def test_text_is_read_as_utf_8_for_every_charset(serve, service_at, key_ring, codec):
    body = "sunny 晴 \udcff".encode(errors="surrogateescape") + b"-\xc3\xa9a" * 40_000
    kind = {"content-type": f"text/plain; charset={codec}"}
    recorder = Recorder(lambda _: Response(body, headers=kind))
    service = service_at(await serve(recorder))
    async with responsive():
        text = (await service.call("get", {}, key_ring("K1"))).text
    assert text.startswith("sunny 晴 \ufffd-éa")


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("headers", [{"Content-Encoding": "gzip"}, {"Content-Type": "a; charset=punycode"}])
async def test_unreadable_body_of_a_refusal_does_not_prevent_renewal(
    serve, service_at, key_ring, status, headers
):
    def respond(request):
        if request.headers["authorization"] == "Bearer K2":
            return Response("in")
        return Response(b"\x1f\x8b" * 300_000, status, headers=headers)

    service = service_at(await serve(Recorder(respond)))
    assert (await service.call("get", {}, key_ring("K1", "K2"))).text == "in"


@pytest.mark.parametrize(
    "place",
    ["http://[", "//\x7f", "http://xn--/", f"http://xn--{'a' * 30_000}/", "http://a:99999999/", "x" * 70_000],
)
async def test_redirect_to_an_invalid_address_is_an_error_of_the_service(serve, service_at, key_ring, place):
    recorder = Recorder(lambda _: Response(status_code=302, headers={"Location": place}))
    service = service_at(await serve(recorder))
    await failure_of(service.call("get", {}, key_ring("K1")))
