"""A session in a real browser: its storage, its end, and the conversation of its user."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.frontend.chat_page import PAGE, question
from tests.until import until


async def test_a_reload_keeps_the_sign_in_and_a_second_tab_has_its_own(
    browser_context: Any, page: Page, sandbox_config: Any, sign_in: Any
):
    sandbox_config()
    await sign_in(page)
    await question(page).wait_for()
    await page.reload()
    await question(page).wait_for()
    other = await browser_context.new_page()
    await other.goto(PAGE)
    await question(other).wait_for()  # IDaaS knows the person, and is asked first


async def test_memory_storage_stores_no_part_of_the_token(
    browser_context: Any, page: Page, sandbox_config: Any, sign_in: Any
):
    sandbox_config(TOKEN_STORAGE="memory")
    await sign_in(page)
    await question(page).wait_for()
    assert "eyJ" not in await page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    await page.reload()
    await question(page).wait_for()  # IDaaS is asked again
    await browser_context.context.clear_cookies()
    await page.reload()
    await page.get_by_role("button", name="Sign in with IDaaS").wait_for()


async def test_signing_out_ends_the_session_here_in_other_tabs_and_at_idaas(
    browser_context: Any, page: Page, sandbox_config: Any, sign_in: Any
):
    sandbox_config()
    await sign_in(page)
    other = await browser_context.new_page()
    await other.goto(PAGE)
    await question(other).wait_for()

    async with page.expect_navigation(url=f"{PAGE}**"):
        await page.get_by_role("button", name="Sign out").click()
    begin = page.get_by_role("button", name="Sign in with IDaaS")
    await begin.wait_for()
    assert page.url == PAGE
    await other.get_by_role("button", name="Sign in with IDaaS").wait_for()
    assert await page.evaluate("JSON.stringify({...sessionStorage})") == "{}"
    await begin.click()
    await page.get_by_label("Password").wait_for()


class Hold:
    """Holds renewals back until the test lets them go. The first request, before the sign-in, goes on."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self._first = True

    async def __call__(self, route: Route) -> None:
        if self._first:
            self._first = False
        else:
            await self.open.wait()
        await route.continue_()

    async def all_but_the_code(self, route: Route) -> None:
        if "grant_type=authorization_code" not in (route.request.post_data or ""):
            await self.open.wait()
        await route.continue_()


KEPT = """() => new Promise((resolve) => {
  const request = indexedDB.open('idaas-agent', 1);
  request.onsuccess = () => {
    const all = request.result.transaction('conversations').objectStore('conversations').getAll();
    all.onsuccess = () => { request.result.close(); resolve(JSON.stringify(all.result)); };
  };
})"""


async def test_a_stored_conversation_is_kept_for_its_user_until_sign_out(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any, scripted_agent: Any
):
    sandbox_config(CONVERSATION_STORAGE="indexeddb")
    await sign_in(page)
    scripted_agent.will_answer(text="For alice only.")
    await question(page).fill("hello")
    await question(page).press("Enter")
    await page.get_by_role("button", name="Ask again").wait_for()

    async def is_kept() -> bool:
        return "For alice only." in await page.evaluate(KEPT)

    await until(is_kept)
    await page.close()

    page = await browser_context.new_page()
    await page.goto(PAGE)
    await page.get_by_text("For alice only.").first.wait_for()

    other = await browser_context.new_page()
    await browser_context.context.clear_cookies()
    await sign_in(other, "bob")
    await question(other).wait_for()
    await expect(other.get_by_text("For alice only.")).to_have_count(0)

    async with page.expect_navigation(url=f"{PAGE}**"):  # back from IDaaS: before, the page is about to leave
        await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Sign in with IDaaS").wait_for()
    assert await page.evaluate(KEPT) == "[]"


async def test_the_page_warns_before_the_sign_in_expires_and_renews_it(
    page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any
):
    sandbox.cloud.settings.access_token_lifetime = 100
    sandbox_config(SILENT_RENEWAL="off")
    await sign_in(page)
    await page.get_by_text("Your sign-in expires soon.").wait_for()
    await page.get_by_text(re.compile(r"\d+ s left")).wait_for()
    await question(page).fill("a question that is not sent yet")
    sandbox.cloud.settings.access_token_lifetime = 1200
    await page.get_by_role("button", name="Renew sign-in").click()
    await expect(page.locator(".account .left")).to_have_text("")  # it does not end soon
    await expect(question(page)).to_have_value("a question that is not sent yet")


@pytest.mark.parametrize(
    ("grant", "way", "scope"),
    [("token", "idaas:authorize", "openid "), ("code", "idaas:token.refresh_token", "")],
)
async def test_the_sign_in_is_renewed_silently_before_it_expires(
    page: Page,
    sandbox: Any,
    sandbox_config: Any,
    sign_in: Any,
    scripted_agent: Any,
    grant: str,
    way: str,
    scope: str,
):
    token = sandbox.url("/api/v2/iauths_system/oauth2/token", "idaas_plain")
    scope += "https://agent.sandbox.example|agent.access"
    sandbox.cloud.settings.access_token_lifetime = 100
    sandbox_config(grant, SCOPE=scope)
    await page.route("**/authorize?*prompt=none*", hold := Hold())
    await page.route(token, hold.all_but_the_code)
    await sign_in(page)
    await question(page).fill("a question that is not sent yet")
    sandbox.cloud.settings.access_token_lifetime = 1200
    before = sandbox.cloud.counters.snapshot().get(way, 0)
    await expect(page.get_by_text("Your sign-in expires soon.")).to_have_count(0)
    hold.open.set()
    await expect(page.locator(".account .left")).to_have_text("")  # it does not end soon
    assert sandbox.cloud.counters.snapshot()[way] == before + 1
    assert page.url == PAGE
    await expect(page.locator("iframe")).to_have_count(0)
    await expect(question(page)).to_have_value("a question that is not sent yet")
    await expect(question(page)).to_be_focused()
    scripted_agent.will_answer(text="Hello.")
    await question(page).press("Enter")
    await page.get_by_role("button", name="Ask again").wait_for()
    assert scripted_agent.authorizations[0].startswith("Bearer eyJ")


async def test_the_page_is_empty_in_a_frame(page: Page, sandbox_config: Any):
    sandbox_config()
    await page.goto(PAGE)
    await page.get_by_role("button", name="Sign in with IDaaS").wait_for()
    await page.evaluate(
        """() => new Promise((resolve) => {
          addEventListener('message', resolve, { once: true });
          document.body.append(Object.assign(document.createElement('iframe'), { src: '/' }));
        })"""
    )
    await expect(page.frame_locator("iframe").get_by_role("button")).to_have_count(0)
