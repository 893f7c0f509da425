"""Signing in from the page at the sandbox's IDaaS, as a person does."""

from collections.abc import Callable
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.frontend.chat_page import PAGE


@pytest.fixture
def sandbox_config(sandbox: Any, page_switch: Any, scripted_agent: Any) -> Callable[..., dict[str, str]]:
    """Configures the page for the sandbox: the tutorial's five keys, and whatever a test adds."""

    def configure(**more: str) -> dict[str, str]:
        sign_in = sandbox.url("/login/app/common/oauth2", "idaas_plain")
        config = {
            "API_URL": scripted_agent.origin,
            "IDAAS_AUTHORIZE_ENDPOINT": f"{sign_in}/authorize",
            "IDAAS_LOGOUT_ENDPOINT": f"{sign_in}/logout",
            "CLIENT_ID": "app_client01",
            "SCOPE": "https://agent.sandbox.example|agent.access",
            **more,
        }
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


async def fill_form(page: Page, user: str, password: str) -> None:
    await page.get_by_label("User name").fill(user)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
