"""The page in a real browser: headless Chromium, the page server, and an agent whose answers a test scripts.

One browser for each test process, on an event loop that outlives a test. The page's files stay cached;
cookies, storage, permissions and tabs are cleared after each test. The browser resolves `localhost:9001`,
the page's registered address, to wherever the page server listens.
"""

import asyncio
import json
import shutil
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, Request, async_playwright, expect
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.server.page_server import page_application

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"
PAGE_ORIGIN = "http://localhost:9001"
CHROMIUM_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
Serving = Callable[[Any], AbstractAsyncContextManager[str]]


class PageSwitch:
    """Serves the page with the configuration that the running test has set."""

    def __init__(self) -> None:
        self.application: ASGIApp = page_application(FRONTEND)

    def configure(self, app_config: Mapping[str, str]) -> None:
        self.application = page_application(FRONTEND, app_config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the browser keep the files that are the same in every test."""

        async def send_cacheable(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"] not in ("/", "/config.js"):
                MutableHeaders(scope=message)["cache-control"] = "max-age=3600"
            await send(message)

        await self.application(scope, receive, send_cacheable)


@dataclass
class ScriptedAgent:
    """Speaks the chat route's wire format. Answers are used up in the order in which they were given."""

    origin: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    client_left: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event | None = None
    """If set, the end of a body waits for it, after the last event."""
    _answers: deque[tuple[int, list[str], bool]] = field(default_factory=deque)

    def will_answer(self, *chunks: Mapping[str, Any], text: str | None = None, done: bool = True) -> None:
        """A stream of these members of `delta`; `agent_event` and `error` go where the contract puts them."""
        deltas = list(chunks) if text is None else [*chunks, {"content": text}]
        self._answers.append((200, [_event(chunk) for chunk in deltas] + ["data: [DONE]\n\n"] * done, False))

    def will_answer_without_end(self, *chunks: Mapping[str, Any]) -> None:
        """A stream that stays open until the client leaves."""
        self._answers.append((200, [_event(chunk) for chunk in chunks], True))

    def will_refuse(self, status: int, code: str, **members: str | int) -> None:
        """A status before the first byte."""
        error = {"code": code, "message": code, **members}
        self._answers.append((status, [json.dumps({"error": error})], False))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        self.requests.append(json.loads(body))
        self.authorizations.append(dict(scope["headers"]).get(b"authorization", b"").decode())
        status, texts, hold = self._answers.popleft()
        media_type = b"text/event-stream" if status == 200 else b"application/json"
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", media_type)]}
        )
        for text in texts:
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        while hold and (await receive())["type"] != "http.disconnect":
            pass
        if hold:
            self.client_left.set()
        if self.may_end is not None:
            await self.may_end.wait()
        await send({"type": "http.response.body", "body": b""})


def _event(chunk: Mapping[str, Any]) -> str:
    if "error" in chunk:
        return f"data: {json.dumps(chunk)}\n\n"
    members = dict(chunk)
    extra = {"agent_event": members.pop("agent_event")} if "agent_event" in members else {}
    return f"data: {json.dumps({'choices': [{'index': 0, 'delta': members}], **extra})}\n\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests run on the browser's event loop."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "browser_context" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def page_switch(serving: Serving) -> AsyncIterator[tuple[PageSwitch, str]]:
    switch = PageSwitch()
    async with serving(switch) as origin:
        yield switch, origin


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(page_switch: tuple[PageSwitch, str]) -> AsyncIterator[Browser]:
    executable = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    assert executable is not None, "Chromium is needed: run scripts/ensure-chromium"
    address = page_switch[1].removeprefix("http://")
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=executable,
            args=[*CHROMIUM_ARGUMENTS, f"--host-resolver-rules=MAP localhost:9001 {address}"],
        )
        yield launched
        await launched.close()


expect.set_options(timeout=15_000)  # a busy machine is no fault of the page


@dataclass
class Watched:
    """A browser context, and what went wrong or went out in it."""

    context: BrowserContext
    faults: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)

    async def new_page(self) -> Page:
        page = await self.context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        return page

    def _requested(self, request: Request) -> None:
        self.origins.add("/".join(request.url.split("/")[:3]))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_context(browser: Browser) -> BrowserContext:
    """Tests use `browser_context`."""
    return await browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})


@pytest_asyncio.fixture(loop_scope="session")
async def browser_context(shared_context: BrowserContext) -> AsyncIterator[Watched]:
    """A context without cookies, storage and pages. A script error in any of its pages fails the test."""
    watched = Watched(shared_context)
    shared_context.on("request", watched._requested)
    yield watched
    shared_context.remove_listener("request", watched._requested)
    for number, page in enumerate(shared_context.pages):
        if number == 0:
            devtools = await shared_context.new_cdp_session(page)
            everything = {"origin": PAGE_ORIGIN, "storageTypes": "all"}
            await devtools.send("Storage.clearDataForOrigin", everything)
        await page.close()
    await shared_context.clear_cookies()
    await shared_context.clear_permissions()
    assert watched.faults == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser_context: Watched) -> Page:
    return await browser_context.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def scripted_agent(serving: Serving) -> AsyncIterator[ScriptedAgent]:
    agent = ScriptedAgent()
    allowed = CORSMiddleware(agent, allow_origins=[PAGE_ORIGIN], allow_methods=["POST"], allow_headers=["*"])
    async with serving(allowed) as origin:
        agent.origin = origin
        yield agent
