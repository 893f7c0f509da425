"""Sign-in, in a real browser at the sandbox's IDaaS."""

from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.chat_page import PAGE, question


async def stored(page: Page) -> dict[str, str]:
    return await page.evaluate("() => ({...localStorage})")


async def test_with_openid_the_page_sends_a_nonce_and_shows_the_persons_name(
    page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any
):
    sandbox_config("code", SCOPE="openid https://agent.sandbox.example|agent.access")
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
