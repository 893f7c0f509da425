"""Published clients of LangGraph Server, against `langgraph dev`: in Node, and in headless Chromium."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tests.agent.api.langgraph.langgraph_process import Server
from tests.browser import launch
from tests.front_ends.langgraph.leave import Leave
from tests.front_ends.langgraph.run_client import RunClient
from tests.front_ends.node_script import NodeScript, run_node
from tests.suite import Sandbox

ORIGIN = "http://localhost:9001"
"""Of the page: one of those that `CORS_ALLOWED_ORIGINS` lists by default."""

Serving = Callable[[Any], AbstractAsyncContextManager[str]]
Steps = Callable[..., Awaitable[list[dict[str, Any]]]]
OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
def thread_stream(langgraph_server: Server) -> Iterator[NodeScript]:
    """Tests use `sdk`."""
    with NodeScript("langgraph/thread_stream.mjs") as script:
        yield script


@pytest.fixture
def sdk(langgraph_server: Server, sandbox: Sandbox, thread_stream: NodeScript) -> Steps:
    """`await sdk("alice", thread, {"do": "ask", "text": "…"}, …)`: the outcomes of the steps."""

    async def run(
        user: str, thread: str, *steps: dict[str, Any], bearer: bool = False
    ) -> list[dict[str, Any]]:
        outcomes: list[dict[str, Any]] = await thread_stream(
            url=langgraph_server.url,
            token=sandbox.access_token(user),
            bearerToken=bearer,
            threadId=thread,
            steps=steps,
        )
        return outcomes

    return run


@pytest.fixture
def leave(sandbox: Sandbox) -> Leave:
    return Leave(sandbox)


@pytest.fixture
async def alice(langgraph_server: Server, sandbox: Sandbox) -> AsyncIterator[RunClient]:
    async with run_client(langgraph_server, sandbox.access_token("alice")) as http:
        yield RunClient(http)


@pytest.fixture
async def bob(langgraph_server: Server, sandbox: Sandbox) -> AsyncIterator[RunClient]:
    async with run_client(langgraph_server, sandbox.access_token("bob")) as http:
        yield RunClient(http)


def run_client(server: Server, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"X-Api-Key": token}, timeout=30)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def page_server(serving: Serving) -> AsyncIterator[str]:
    """Serves the page; its settings are in the query."""
    script = (await run_node("langgraph/bundle.mjs"))["script"]

    async def page(request: Request) -> HTMLResponse:
        settings = f"<script>window.PAGE = {request.query_params['settings']}</script>"
        document = f'<meta charset="utf-8"><div id="page"></div>{settings}<script src="/page.js"></script>'
        return HTMLResponse(document)

    async def page_script(_: Request) -> Response:
        return Response(script, media_type="text/javascript")

    async with serving(Starlette(routes=[Route("/", page), Route("/page.js", page_script)])) as origin:
        yield origin


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(page_server: str) -> AsyncIterator[Browser]:
    """A browser that finds the page at `ORIGIN`."""
    address = page_server.removeprefix("http://")
    rule = f"--host-resolver-rules=MAP {ORIGIN.removeprefix('http://')} {address}"
    async with async_playwright() as playwright:
        launched = await launch(playwright, rule)
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(chromium: Browser, langgraph_server: Server, sandbox: Sandbox) -> AsyncIterator[OpenPage]:
    """`await open_page("alice", thread=None)`: the page of that user, in a browser profile of its own."""
    contexts = []
    faults: list[str] = []

    async def open_(user: str, thread: str | None = None) -> Page:
        settings = {"apiUrl": langgraph_server.url, "token": sandbox.access_token(user), "threadId": thread}
        context = await chromium.new_context(viewport={"width": 1000, "height": 800})
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(f"{ORIGIN}/?settings={quote(json.dumps(settings))}")
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert faults == []
