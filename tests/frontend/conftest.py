"""The page in a real browser: headless Chromium, the page server, and an agent whose answers a test scripts.

One browser for each test process, on an event loop that outlives a test. The page's files stay cached;
cookies, storage, permissions and tabs are cleared after each test. The browser resolves `localhost:9001`,
the page's registered address, to the address of the page server.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, Request, async_playwright, expect
from starlette.middleware.cors import CORSMiddleware

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from graph.models.provider import ChatModelProvider
from tests.agent.api.test_elicitation import Bank
from tests.agent.api.threads.served_threads import WaitingModel
from tests.browser import launch
from tests.every_surface import of_plugins
from tests.frontend import reports
from tests.frontend.chat_page import PAGE
from tests.frontend.lasting_agent import BANK, SERVICES, LastingAgent
from tests.frontend.page_switch import FRONTEND, PageSwitch, joined_page
from tests.frontend.sandbox_sign_in import fill_form
from tests.frontend.scripted_agent import ScriptedAgent
from tests.graph.scripted_model import DONE

PAGE_ORIGIN = "http://localhost:9001"
Serving = Callable[[Any], AbstractAsyncContextManager[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests run on the browser's event loop."""
    here = Path(__file__).parent
    for item in items:
        if "browser_context" in getattr(item, "fixturenames", ()) and here in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def page_switch(
    serving: Serving, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[PageSwitch, str]]:
    switch = PageSwitch(joined_page(tmp_path_factory.mktemp("joined")))
    async with serving(switch) as origin:
        yield switch, origin


@pytest.fixture
def shipped_modules(page_switch: tuple[PageSwitch, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is served with its modules as they are shipped."""
    monkeypatch.setattr(page_switch[0], "folder", FRONTEND)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(page_switch: tuple[PageSwitch, str]) -> AsyncIterator[Browser]:
    address = page_switch[1].removeprefix("http://")
    async with async_playwright() as playwright:
        launched = await launch(playwright, f"--host-resolver-rules=MAP localhost:9001 {address}")
        yield launched
        await launched.close()


expect.set_options(timeout=60_000)  # a busy machine is no fault of the page


@dataclass
class Watched:
    """A browser context with its script errors and the origins it requested."""

    context: BrowserContext
    faults: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)

    async def new_page(self) -> Page:
        page = await self.context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        return page

    def _requested(self, request: Request) -> None:
        self.origins.add("/".join(request.url.split("/")[:3]))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def resting_page(browser: Browser) -> Page:
    """An empty page of the page's origin, in the context of all tests. It keeps the browser's process for
    that origin: starting one for each test takes longer than the page does. Tests use `browser_context`.
    """
    context = await browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    page = await context.new_page()
    await page.goto(f"{PAGE_ORIGIN}/absent")
    return page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def devtools(resting_page: Page) -> CDPSession:
    return await resting_page.context.new_cdp_session(resting_page)


@pytest_asyncio.fixture(loop_scope="session")
async def browser_context(resting_page: Page, devtools: CDPSession) -> AsyncIterator[Watched]:
    """A context without cookies, storage and pages. A script error in any of its pages fails the test."""
    context = resting_page.context
    watched = Watched(context)
    context.on("request", watched._requested)
    yield watched
    context.remove_listener("request", watched._requested)
    for page in context.pages:
        if page is not resting_page:
            await page.close()
    await resting_page.evaluate("localStorage.clear()")  # also what the process of the pages remembers
    await devtools.send("Storage.clearDataForOrigin", {"origin": PAGE_ORIGIN, "storageTypes": "all"})
    await context.clear_cookies()
    await context.clear_permissions()
    assert watched.faults == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser_context: Watched) -> Page:
    return await browser_context.new_page()


@pytest_asyncio.fixture(loop_scope="session")
async def scripted_agent(serving: Serving) -> AsyncIterator[ScriptedAgent]:
    agent = ScriptedAgent()
    allowed = CORSMiddleware(
        agent, allow_origins=[PAGE_ORIGIN], allow_methods=["GET", "POST"], allow_headers=["*"]
    )
    async with serving(allowed) as origin:
        agent.origin = origin
        yield agent


@pytest_asyncio.fixture(loop_scope="session")
async def signed_in(page: Page, page_switch: Any, scripted_agent: Any) -> Page:
    """The page with a session in its tab, as after a sign-in."""
    page_switch[0].configure_for(scripted_agent.origin)
    session = (
        '{"accessToken": "an-access-token", "subject": "user_alice01", "person": "p", "name": "user_alice01"}'
    )
    await page.add_init_script(f"sessionStorage.setItem('idaas-agent.session', '{session}')")
    await page.goto(PAGE)
    return page


@pytest_asyncio.fixture(loop_scope="session")
async def other_device(browser: Browser, browser_context: Watched) -> AsyncIterator[Page]:
    """A page in a browser of its own: nothing is shared with the first."""
    context = await browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
    yield await Watched(context, browser_context.faults).new_page()
    await context.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bank(serving: Serving) -> AsyncIterator[tuple[Bank, str]]:
    """An MCP server that asks the user of a call, and its origin."""
    server = Bank()
    async with serving(server) as origin:
        yield server, origin


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served_lasting_agent(
    serving: Serving, running_sandbox: Any, tmp_path_factory: pytest.TempPathFactory, bank: tuple[Bank, str]
) -> AsyncIterator[tuple[str, WaitingModel, httpx.AsyncClient]]:
    """Tests use `lasting_agent`."""
    running, clock = running_sandbox
    folder = tmp_path_factory.mktemp("lasting")
    services = SERVICES + reports.SERVICES + BANK.format(origin=bank[1])
    (folder / "services.toml").write_text(services)
    variables = {
        "ACCESS_IDENTITY": "Human",
        "CORS_ALLOWED_ORIGINS": PAGE_ORIGIN,
        "CONVERSATIONS_URL": f"sqlite:///{folder / 'conversations.db'}",
        "SERVICES_FILE": str(folder / "services.toml"),
        "MAX_REQUESTS_PER_MINUTE": "0",
        "CALLER_CLAIMS": "groups",
        "CLIENT_IDS": "app_payroll",
        "LLM_IMAGES": "3",
        **dict(of_plugins("VARIABLES")),
    }
    settings = read_settings(running.environment | variables)
    model = WaitingModel(turns=[])
    agent = Agent(settings, clock=clock, model=ChatModelProvider(model))
    async with (
        serving(create_app(settings, agent)) as origin,
        httpx.AsyncClient(timeout=30, trust_env=False) as http,
    ):
        yield origin, model, http


@pytest_asyncio.fixture(loop_scope="session")
async def lasting_agent(
    served_lasting_agent: Any, sandbox: Any, page_switch: Any, browser_context: Watched, bank: Any
) -> LastingAgent:
    """An agent that keeps conversations, of which there are none yet, and the page configured for it."""
    agent = LastingAgent(*served_lasting_agent, sandbox, bank[0])
    agent.will_say(DONE)
    reports.MAY_END.set()
    for user in ("alice", "bob"):
        await agent.ask("DELETE", "/threads", user=user)
    page_switch[0].configure_for(agent.origin)
    return agent


@pytest.fixture
def sandbox_config(sandbox: Any, page_switch: Any, scripted_agent: Any) -> Callable[..., dict[str, str]]:
    """Configures the page for the sandbox: the tutorial's five keys, those of a `grant`, and more."""

    def configure(grant: str = "", **more: str) -> dict[str, str]:
        sign_in = sandbox.url("/login/app/common/oauth2", "idaas_plain")
        config = {
            "API_URL": scripted_agent.origin,
            "IDAAS_AUTHORIZE_ENDPOINT": f"{sign_in}/authorize",
            "IDAAS_LOGOUT_ENDPOINT": f"{sign_in}/logout",
            "CLIENT_ID": "app_client01",
            "SCOPE": "https://agent.sandbox.example|agent.access",
        }
        if grant:
            token = sandbox.url("/api/v2/iauths_system/oauth2/token", "idaas_plain")
            config |= {"RESPONSE_TYPE": grant, "TOKEN_ENDPOINT": token, "ISSUER": sandbox.issuer}
        config |= more
        page_switch[0].configure(config)
        return config

    return configure


@pytest_asyncio.fixture(loop_scope="session")
async def sign_in(sandbox: Any) -> Callable[..., Any]:
    """Opens the page, goes to IDaaS, and fills its form in."""

    async def sign_in(page: Page, user: str = "alice", password: str | None = None) -> None:
        await page.goto(PAGE)
        await page.get_by_role("button", name="Sign in with IDaaS").click()
        await fill_form(page, user, password or getattr(sandbox.cloud.secrets, f"{user}_password"))

    return sign_in
