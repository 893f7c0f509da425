"""The page with a signed-in user, their actions, and the tool calls that an agent may report."""

from typing import Any

import pytest_asyncio
from playwright.async_api import Page

PAGE = "http://localhost:9001/"
WEATHER = {"tool": "maps_weather", "service": "amap", "access_identity": "Machine", "call_id": "call_1"}
WEATHER["credential"] = "amap_api_key"
ENTERPRISE = {
    "tool": "call_enterprise_service",
    "service": "enterprise",
    "access_identity": "Human",
    "call_id": "call_2",
    "audience": "https://enterprise.sandbox.example",
    "scope": "service.invoke",
}


@pytest_asyncio.fixture(loop_scope="session")
async def signed_in(browser_context: Any, page: Page, page_switch: Any, scripted_agent: Any) -> Page:
    """The page with a session in its tab, as after a sign-in."""
    page_switch[0].configure(
        {
            "API_URL": scripted_agent.origin,
            "IDAAS_AUTHORIZE_ENDPOINT": "http://localhost:9400/authorize",
            "IDAAS_LOGOUT_ENDPOINT": "http://localhost:9400/logout",
            "CLIENT_ID": "app_client01",
            "SCOPE": "https://agent.sandbox.example|agent.access",
        }
    )
    session = (
        '{"accessToken": "an-access-token", "subject": "user_alice01", "person": "p", "name": "user_alice01"}'
    )
    await page.add_init_script(f"sessionStorage.setItem('idaas-agent.session', '{session}')")
    await page.goto(PAGE)
    return page


def question(page: Page) -> Any:
    return page.get_by_role("textbox", name="Your question")


async def ask(page: Page, text: str) -> None:
    await question(page).fill(text)
    await question(page).press("Enter")


async def answered(page: Page) -> Any:
    """The last answer, when it has ended."""
    await page.get_by_role("button", name="Ask again").wait_for()
    return page.get_by_role("article", name="Agent").last
