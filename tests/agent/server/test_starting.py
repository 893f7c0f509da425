"""While the application is made: what is answered at once, what waits, and what a failure does."""

import asyncio
import threading
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.responses import PlainTextResponse

from agent.api.response_models import ReadinessAnswer
from agent.server.startup import Starting

SECURITY_HEADERS = {
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
}


class Application:
    """One whose stages wait for the test: `composing` and `completing` let them go on."""

    def __init__(self):
        self.composing = threading.Event()
        self.completing = threading.Event()
        self.failure = None
        self.done = []
        self.app = PlainTextResponse("answered")

    def compose(self):
        assert self.composing.wait(10)
        if self.failure is not None:
            raise self.failure
        return self

    @asynccontextmanager
    async def lifespan(self):
        self.done.append("opened")
        yield
        self.done.append("closed")

    def complete(self):
        assert self.completing.wait(10)
        return lambda: self.done.append("completed")

    def begin(self, seconds):
        self.done.append(f"ends within {seconds:g}")

    def end(self):
        self.done.append("ended")


@asynccontextmanager
async def started(starting):
    """Its lifespan, as a server drives it; both ends wait for nothing that a test must do."""
    sent, received = asyncio.Queue(), asyncio.Queue()
    lifespan = asyncio.create_task(starting({"type": "lifespan"}, received.get, sent.put))
    await received.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    transport = httpx.ASGITransport(starting)
    async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
        yield client
    await received.put({"type": "lifespan.shutdown"})
    assert (await sent.get())["type"] == "lifespan.shutdown.complete"
    await lifespan


@pytest.fixture
def application():
    application = Application()
    yield application
    application.composing.set()
    application.completing.set()


def starting(application, failed=lambda: None):
    return Starting(application.compose, late=lambda path: path.startswith("/late"), failed=failed)


async def test_health_is_answered_and_readiness_refused_while_the_application_is_made(application):
    async with started(starting(application)) as client:
        health, ready = await client.get("/health"), await client.get("/ready")
        assert (health.status_code, ready.status_code) == (200, 503)
        assert ready.headers["retry-after"]
        check = ready.json()["checks"]["start"]
        assert (check["ok"], check["code"]) == (False, "starting")
        assert ReadinessAnswer.model_validate(ready.json())
        assert all(answer.headers.items() >= SECURITY_HEADERS for answer in (health, ready))
        application.composing.set()
        application.completing.set()


async def test_a_request_that_comes_early_waits_and_is_answered(application):
    async with started(starting(application)) as client:
        early = asyncio.create_task(client.post("/chat"))
        await client.get("/health")
        assert not early.done()
        application.composing.set()
        assert (await early).text == "answered"
        application.completing.set()


async def test_a_late_path_waits_until_all_is_complete_and_nothing_else_does(application):
    application.composing.set()
    async with started(starting(application)) as client:
        late = asyncio.create_task(client.get("/late/path"))
        assert (await client.get("/chat")).text == "answered"
        assert not late.done()
        application.completing.set()
        assert (await late).text == "answered"
        assert application.done == ["opened", "completed"]
    assert application.done == ["opened", "completed", "closed"]


async def test_an_application_that_cannot_be_made_stops_the_server_with_its_reason(application):
    application.failure = ValueError("no such bundle")
    stopped = asyncio.Event()
    subject = starting(application, failed=stopped.set)
    async with started(subject) as client:
        waiting = asyncio.create_task(client.post("/chat"))
        application.composing.set()
        await stopped.wait()
        refused = await waiting
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "start_failed")
        assert refused.headers.items() >= SECURITY_HEADERS
        ready = await client.get("/ready")
        assert (ready.status_code, ready.json()["checks"]["start"]["code"]) == (503, "start_failed")
        assert "no such bundle" not in ready.text
    assert subject.failure is application.failure


async def test_shutdown_is_passed_on_to_the_application(application):
    subject = starting(application)
    subject.begin(3)  # nothing serves yet
    application.composing.set()
    application.completing.set()
    async with started(subject) as client:
        await client.get("/late")
        subject.begin(2)
        subject.end()
    assert application.done == ["opened", "completed", "ends within 2", "ended", "closed"]
