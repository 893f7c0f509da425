"""Forged, replayed and stolen sign-in responses, in a real browser, are refused by the page."""

import re
from typing import Any

from playwright.async_api import Page, Route, expect

from tests.frontend.chat_page import PAGE, question

FORGED = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyX21hbGxvcnkifQ.c2ln"


async def test_response_for_another_nonce_is_refused(page: Page, sandbox_config: Any, sign_in: Any):
    """The response of another request, with the right state and a wrong nonce."""
    sandbox_config("code", SCOPE="openid https://agent.sandbox.example|agent.access")

    async def with_another_nonce(route: Route) -> None:
        url = re.sub(r"nonce=[^&]+", "nonce=another", route.request.url)
        await route.fulfill(status=302, headers={"location": url})

    authorize = re.compile(r"/oauth2/authorize\?.*nonce=(?!another)")
    await page.route(authorize, with_another_nonce)
    await sign_in(page)
    await page.get_by_role("alert").wait_for()
    await expect(page.get_by_role("alert")).to_contain_text("id_token_invalid")
    await expect(question(page)).to_have_count(0)


async def test_an_unsolicited_token_is_refused(page: Page, sandbox_config: Any):
    sandbox_config()
    await page.goto(f"{PAGE}#access_token={FORGED}&token_type=Bearer&expires_in=1200&state=forged")
    await page.get_by_role("alert").wait_for()
    await expect(page.get_by_role("alert")).to_contain_text("was refused")
    await expect(question(page)).to_have_count(0)
    assert page.url == PAGE
    assert await page.evaluate("JSON.stringify({...sessionStorage})") == "{}"


async def test_a_forged_response_does_not_affect_a_signed_in_user(
    page: Page, sandbox_config: Any, sign_in: Any
):
    sandbox_config()
    await sign_in(page)
    await question(page).wait_for()
    await page.goto("about:blank")
    await page.goto(f"{PAGE}#access_token={FORGED}&state=forged")
    await expect(page.get_by_text("user_alice01")).not_to_have_count(0)
    await expect(page.get_by_text("user_mallory")).to_have_count(0)


async def test_a_replayed_code_is_refused_by_the_page_and_not_sent_again(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any
):
    sandbox_config("code", TOKEN_STORAGE="memory")
    answers: list[str] = []
    page.on("request", lambda request: answers.append(request.url) if "?code=" in request.url else None)
    await sign_in(page)
    await question(page).wait_for()
    (answer,) = answers
    other = await browser_context.new_page()
    for tab in (page, other):
        await tab.goto(answer)
        await tab.get_by_role("alert").wait_for()
        await expect(tab.get_by_role("alert")).to_contain_text("was refused")
        await expect(question(tab)).to_have_count(0)
        assert tab.url == PAGE
    assert sandbox.cloud.counters.snapshot()["idaas:token.authorization_code"] == 1


async def test_back_and_forward_reuse_no_response_and_keep_the_sign_in(
    page: Page, sandbox_config: Any, sign_in: Any
):
    sandbox_config("code")
    await sign_in(page)
    await question(page).wait_for()
    await page.evaluate("location.assign('/icon.svg')")
    await page.wait_for_url("**/icon.svg")
    await page.go_back()
    await question(page).wait_for()
    assert page.url == PAGE
    while await page.evaluate("navigation.currentEntry.index") > 0:
        await page.go_back()
        assert "code=" not in page.url
    await page.go_forward()
    assert "code=" not in page.url
