"""Sign-in by each grant, in a real browser at the sandbox's IDaaS, and the page's messages for faults."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.frontend.chat_page import PAGE, question
from tests.frontend.sandbox_sign_in import fill_form


async def stored(page: Page) -> dict[str, str]:
    return await page.evaluate("() => ({...localStorage})")


@pytest.mark.parametrize("grant", ["token", "code"])
async def test_with_openid_each_grant_checks_the_nonce_and_shows_the_persons_name(
    page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any, grant: str
):
    scope = "openid https://agent.sandbox.example|agent.access"
    sandbox_config(grant, SCOPE=scope)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await sign_in(page)
    name = sandbox.cloud.directory.users["alice"].display_name
    await page.get_by_text(f"Signed in as {name}").wait_for()
    assert any("&nonce=" in url for url in asked)


async def test_the_five_keys_of_the_tutorial_sign_in_and_no_token_remains_where_others_may_read_it(
    page: Page, sandbox_config: Any, sign_in: Any
):
    """Neither in the address nor in the history nor in local storage."""
    sandbox_config()
    addresses: list[str] = []
    page.on("framenavigated", lambda frame: addresses.append(frame.url))
    await sign_in(page)
    await expect(page.get_by_text("user_alice01")).not_to_have_count(0)
    await expect(question(page)).to_be_focused()
    assert any("access_token=" in address for address in addresses), "the answer did come in the fragment"
    assert await page.evaluate("location.href") == PAGE
    assert await stored(page) == {}
    await page.go_back()
    assert "access_token" not in page.url


async def test_wrong_password_stays_at_idaas_and_the_right_one_signs_in(
    page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any
):
    sandbox_config()
    await sign_in(page, "alice", "wrong")
    await page.get_by_role("alert").wait_for()
    await fill_form(page, "alice", sandbox.cloud.secrets.alice_password)
    await question(page).wait_for()


async def test_a_refusal_of_idaas_is_shown_with_its_remedy(page: Page, sandbox_config: Any, sign_in: Any):
    sandbox_config(SCOPE="https://agent.sandbox.example|no.such.permission")
    await sign_in(page)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("Sign-in did not succeed")
    await expect(alert).to_contain_text("Ask your administrator for the permission.")
    await expect(alert).to_contain_text("invalid_scope")
    assert page.url == PAGE


async def test_a_configuration_with_faults_names_each(page: Page, sandbox_config: Any):
    sandbox_config(CLIENT_ID="", API_URL="http://agent.example.com")
    await page.goto(PAGE)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("CLIENT_ID is missing")
    await expect(alert).to_contain_text("API_URL must begin with https://")
