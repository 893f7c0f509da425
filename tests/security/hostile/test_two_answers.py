"""A peer that sends two answers to one request: no user reads the second, which would be another's.

The users of the agent share its connections to a service, so bytes behind an answer end the connection, on
the direct way and through a proxy.
"""

import asyncio
import base64
import json
import ssl
from contextlib import suppress

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Mount

from sandbox.certificates import kept_certificates
from tests.http_proxy import HttpProxy
from tests.recorder import Recorder, bearer
from tests.security.hostile.hostile_model import HostileModel, call
from tests.security.hostile.hostile_server import HostileServer, tool

pytestmark = pytest.mark.promise("users-never-cross")


def services():
    """A model that calls two tools with the user's words and repeats what they return, and these tools."""

    def plan(messages):
        words = messages[-1]["content"]
        tools = [("call_enterprise_service", "message"), ("maps_weather", "city")]
        return [] if messages[-1]["role"] == "tool" else [call(name, {field: words}) for name, field in tools]

    def weather(_):
        return {"content": [{"type": "text", "text": maps.calls()[-1][1]["city"]}]}

    def record(request):
        claims = bearer(request).split(".")[1]
        return JSONResponse(json.loads(base64.urlsafe_b64decode(claims + "=="))["sub"])

    maps = HostileServer(lambda _: [tool("maps_weather")], weather, streams=False)
    model = HostileModel(plan, lambda messages: " ".join(m["content"] or "" for m in messages[1:]))
    mounts = {"/model": model, "/enterprise": Recorder(record), "/maps": maps}
    return Starlette(routes=[Mount(path, application) for path, application in mounts.items()])


async def respond(application, head, body):
    """The whole response of an ASGI application, as the bytes of HTTP/1.1."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body}

    async def send(message):
        sent.append(message)

    request, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = request.split(" ")
    headers = [tuple(line.split(": ", 1)) for line in lines if line]
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    path = "/" + target.split("://")[-1].split("/", 1)[1]
    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": headers}
    await application(scope, receive, send)
    start, *parts = sent
    content = b"".join(part["body"] for part in parts)
    fields = b"".join(b"%b: %b\r\n" % each for each in start["headers"] if each[0] != b"content-length")
    return b"HTTP/1.1 %d OK\r\n%bcontent-length: %d\r\n\r\n%b" % (
        start["status"],
        fields,
        len(content),
        content,
    )


@pytest.fixture
async def peer():
    """Starts a server of all services, that sends every answer of one of them twice."""
    servers = []

    async def start(doubled, tls=None):
        application = services()

        async def accept(reader, writer):
            with suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                    answer = await respond(application, head, await reader.readexactly(int(length or 0)))
                    writer.write(answer * 2 if doubled in head.split(b"\r\n")[0] else answer)
            writer.close()

        servers.append(await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls))
        return f"{'https' if tls else 'http'}://localhost:{servers[-1].sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("doubled", [b"/model/", b"/enterprise/", b"/maps/"])
@pytest.mark.parametrize("way", ["direct", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"])
async def test_each_user_reads_their_own_answer(start_agent, peer, sandbox, monkeypatch, way, doubled):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    tls = None
    if way == "HTTPS_PROXY":
        certificates = kept_certificates(sandbox.running.folder)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificates.certificate, certificates.key)
    origin = await peer(doubled, tls)
    async with HttpProxy() as proxy:
        if way != "direct":
            monkeypatch.setenv(way, "service.example" if way == "NO_PROXY" else proxy.url)
        agent = await start_agent(
            "Human",
            LLM_BASE_URL=f"{origin}/model/v1",
            ENTERPRISE_SERVICE_URL=f"{origin}/enterprise/",
            EXTERNAL_SERVER_URL=f"{origin}/maps/mcp",
        )
        for stream in (False, True):
            for user in ("alice", "bob", "alice", "bob"):
                answer = await agent.ask(f"I am {user}.", sandbox.access_token(user), stream=stream)
                text = answer.streamed_text if stream else answer.text
                other = "bob" if user == "alice" else "alice"
                assert text.count(user) == 3, text
                assert other not in text
        assert bool(proxy.heads) == (way in ("HTTP_PROXY", "HTTPS_PROXY"))
