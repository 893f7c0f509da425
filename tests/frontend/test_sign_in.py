"""Signing in and out in a real browser against the sandbox's IDaaS."""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

PAGE = "http://localhost:9001/"
FORGED = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyX21hbGxvcnkifQ.c2ln"


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


def question(page: Page) -> Any:
    return page.get_by_role("textbox", name="Your question")


async def stored(page: Page) -> dict[str, str]:
    return await page.evaluate("() => ({...localStorage})")


async def test_the_five_keys_of_the_tutorial_sign_in_by_the_implicit_grant(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any
):
    sandbox_config()
    await sign_in(page)
    await expect(page.get_by_text("user_alice01")).not_to_have_count(0)
    await expect(question(page)).to_be_focused()
    assert page.url == PAGE
    assert "idaas:token.authorization_code" not in sandbox.cloud.counters.snapshot()


async def test_the_code_grant_with_pkce_needs_no_secret_and_no_server_of_ours(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any
):
    token = sandbox.url("/api/v2/iauths_system/oauth2/token", "idaas_plain")
    sandbox_config(RESPONSE_TYPE="code", TOKEN_ENDPOINT=token, ISSUER=sandbox.issuer)
    await sign_in(page)
    await question(page).wait_for()
    assert page.url == PAGE
    assert sandbox.cloud.counters.snapshot()["idaas:token.authorization_code"] == 1


@pytest.mark.parametrize("grant", ["token", "code"])
async def test_with_openid_each_grant_checks_the_nonce_and_shows_the_persons_name(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any, grant: str
):
    token = sandbox.url("/api/v2/iauths_system/oauth2/token", "idaas_plain")
    scope = "openid https://agent.sandbox.example|agent.access"
    sandbox_config(RESPONSE_TYPE=grant, TOKEN_ENDPOINT=token, ISSUER=sandbox.issuer, SCOPE=scope)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await sign_in(page)
    name = sandbox.cloud.directory.users["alice"].display_name
    await page.get_by_text(f"Signed in as {name}").wait_for()
    assert any("&nonce=" in url for url in asked)


@pytest.mark.parametrize("grant", ["token", "code"])
async def test_an_answer_to_another_nonce_is_refused(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any, grant: str
):
    """Another request's answer, put in the place of this one's: the state is right, the nonce is not."""
    token = sandbox.url("/api/v2/iauths_system/oauth2/token", "idaas_plain")
    scope = "openid https://agent.sandbox.example|agent.access"
    sandbox_config(RESPONSE_TYPE=grant, TOKEN_ENDPOINT=token, ISSUER=sandbox.issuer, SCOPE=scope)

    async def with_another_nonce(route: Route) -> None:
        url = re.sub(r"nonce=[^&]+", "nonce=another", route.request.url)
        await route.fulfill(status=302, headers={"location": url})

    authorize = re.compile(r"/oauth2/authorize\?.*nonce=(?!another)")
    await page.route(authorize, with_another_nonce)
    await sign_in(page)
    await page.get_by_role("alert").wait_for()
    await expect(page.get_by_role("alert")).to_contain_text("The ID token does not belong to this sign-in")
    await expect(question(page)).to_have_count(0)


async def test_no_token_stays_in_the_address_the_history_or_local_storage(
    browser_context: Any, page: Page, sandbox_config: Any, sign_in: Any
):
    sandbox_config()
    addresses: list[str] = []
    page.on("framenavigated", lambda frame: addresses.append(frame.url))
    await sign_in(page)
    await question(page).wait_for()
    assert any("access_token=" in address for address in addresses), "the answer did come in the fragment"
    assert await page.evaluate("location.href") == PAGE
    assert await stored(page) == {}
    await page.go_back()
    assert "access_token" not in page.url


async def test_a_wrong_password_stays_at_idaas_and_the_right_one_goes_on(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any
):
    sandbox_config()
    await sign_in(page, "alice", "wrong")
    await page.get_by_role("alert").wait_for()
    await fill_form(page, "alice", sandbox.cloud.secrets.alice_password)
    await question(page).wait_for()


@pytest.mark.parametrize("fragment", ["&state=forged", "", "&state="])
async def test_a_token_that_nobody_here_asked_for_is_refused(
    browser_context: Any, page: Page, sandbox_config: Any, fragment: str
):
    sandbox_config()
    await page.goto(f"{PAGE}#access_token={FORGED}&token_type=Bearer&expires_in=1200{fragment}")
    await page.get_by_role("alert").wait_for()
    await expect(page.get_by_role("alert")).to_contain_text("was refused")
    await expect(question(page)).to_have_count(0)
    assert page.url == PAGE
    assert await page.evaluate("JSON.stringify({...sessionStorage})") == "{}"


async def test_a_forged_answer_changes_nothing_for_a_person_who_is_signed_in(
    browser_context: Any, page: Page, sandbox_config: Any, sign_in: Any
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
    token = sandbox.url("/api/v2/iauths_system/oauth2/token", "idaas_plain")
    sandbox_config(RESPONSE_TYPE="code", TOKEN_ENDPOINT=token, ISSUER=sandbox.issuer, TOKEN_STORAGE="memory")
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


async def test_a_code_that_somebody_else_has_presented_is_refused_by_idaas_and_the_page_says_so(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any
):
    token = sandbox.url("/api/v2/iauths_system/oauth2/token", "idaas_plain")
    sandbox_config(RESPONSE_TYPE="code", TOKEN_ENDPOINT=token, ISSUER=sandbox.issuer)
    statuses: list[int] = []

    async def present_first(route: Route) -> None:
        form = dict(parse_qsl(route.request.post_data or "")) | {"code_verifier": "a" * 43}
        async with httpx.AsyncClient() as thief:
            statuses.append((await thief.post(token, data=form)).status_code)
        await route.continue_()

    await page.route(token, present_first)
    await sign_in(page)
    await page.get_by_role("alert").wait_for()
    await expect(page.get_by_role("alert")).to_contain_text("did not exchange the authorization code")
    await expect(question(page)).to_have_count(0)
    assert statuses == [400]


@pytest.mark.parametrize("grant", ["token", "code"])
async def test_back_and_forward_meet_no_spent_answer_and_keep_the_sign_in(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any, grant: str
):
    token = sandbox.url("/api/v2/iauths_system/oauth2/token", "idaas_plain")
    sandbox_config(RESPONSE_TYPE=grant, TOKEN_ENDPOINT=token, ISSUER=sandbox.issuer)
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
        assert "access_token=" not in page.url
    await page.go_forward()
    assert "code=" not in page.url


async def test_a_refusal_of_idaas_is_told_in_words_with_a_remedy(
    browser_context: Any, page: Page, sandbox_config: Any, sign_in: Any
):
    sandbox_config(SCOPE="https://agent.sandbox.example|no.such.permission")
    await sign_in(page)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("Sign-in did not succeed")
    await expect(alert).to_contain_text("SCOPE")
    assert page.url == PAGE


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
    await other.get_by_role("button", name="Sign in with IDaaS").click()
    await question(other).wait_for()  # IDaaS knows the person: no password


async def test_with_memory_storage_nothing_of_the_token_is_stored(
    browser_context: Any, page: Page, sandbox_config: Any, sign_in: Any
):
    sandbox_config(TOKEN_STORAGE="memory")
    await sign_in(page)
    await question(page).wait_for()
    assert "eyJ" not in await page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    await page.reload()
    await page.get_by_role("button", name="Sign in with IDaaS").wait_for()


async def test_signing_out_ends_the_session_here_in_other_tabs_and_at_idaas(
    browser_context: Any, page: Page, sandbox_config: Any, sign_in: Any
):
    sandbox_config()
    await sign_in(page)
    other = await browser_context.new_page()
    await other.goto(PAGE)
    await other.get_by_role("button", name="Sign in with IDaaS").click()
    await question(other).wait_for()

    await page.get_by_role("button", name="Sign out").click()
    begin = page.get_by_role("button", name="Sign in with IDaaS")
    await begin.wait_for()
    assert page.url == PAGE
    await other.get_by_role("button", name="Sign in with IDaaS").wait_for()
    assert await page.evaluate("JSON.stringify({...sessionStorage})") == "{}"
    await begin.click()
    await page.get_by_label("Password").wait_for()


async def test_a_401_asks_for_a_new_sign_in_and_keeps_the_conversation(
    browser_context: Any, page: Page, sandbox_config: Any, sign_in: Any, scripted_agent: Any
):
    sandbox_config()
    await sign_in(page)
    scripted_agent.will_answer(text="The first answer.")
    scripted_agent.will_refuse(401, "access_token_invalid")
    scripted_agent.will_answer(text="The second answer.")
    for text in ("one", "two"):
        await question(page).fill(text)
        await question(page).press("Enter")
        await page.get_by_role("button", name="Ask again").wait_for()
    await page.get_by_text("Access token validation failed").first.wait_for()
    await page.get_by_role("button", name="Sign in again").click()

    await page.get_by_text("The first answer.").first.wait_for()
    await page.get_by_role("button", name="Ask again").click()
    await page.get_by_text("The second answer.").first.wait_for()
    assert [message["content"] for message in scripted_agent.requests[-1]["messages"]] == [
        "one",
        "The first answer.",
        "two",
    ]


async def test_another_person_does_not_see_the_conversation(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any, scripted_agent: Any
):
    sandbox_config()
    await sign_in(page)
    scripted_agent.will_answer(text="For alice only.")
    await question(page).fill("hello")
    await question(page).press("Enter")
    await page.get_by_role("button", name="Ask again").wait_for()
    await page.evaluate("sessionStorage.removeItem('idaas-agent.session')")
    await browser_context.context.clear_cookies()
    await sign_in(page, "bob")
    await expect(page.get_by_text("user_bob01")).not_to_have_count(0)
    await expect(page.get_by_text("For alice only.")).to_have_count(0)


KEPT = """() => new Promise((resolve) => {
  const request = indexedDB.open('idaas-agent', 1);
  request.onsuccess = () => {
    const all = request.result.transaction('conversations').objectStore('conversations').getAll();
    all.onsuccess = () => { request.result.close(); resolve(JSON.stringify(all.result)); };
  };
})"""


async def test_in_the_browsers_database_a_conversation_waits_for_its_person_until_he_signs_out(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any, scripted_agent: Any
):
    sandbox_config(CONVERSATION_STORAGE="indexeddb")
    await sign_in(page)
    scripted_agent.will_answer(text="For alice only.")
    await question(page).fill("hello")
    await question(page).press("Enter")
    await page.get_by_role("button", name="Ask again").wait_for()
    async with asyncio.timeout(10):
        while "For alice only." not in await page.evaluate(KEPT):
            pass
    await page.close()

    page = await browser_context.new_page()
    await page.goto(PAGE)
    await page.get_by_role("button", name="Sign in with IDaaS").click()
    await page.get_by_text("For alice only.").first.wait_for()

    other = await browser_context.new_page()
    await browser_context.context.clear_cookies()
    await sign_in(other, "bob")
    await question(other).wait_for()
    await expect(other.get_by_text("For alice only.")).to_have_count(0)

    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Sign in with IDaaS").wait_for()
    assert await page.evaluate(KEPT) == "[]"


async def test_the_page_warns_before_the_sign_in_expires_and_renews_it(
    browser_context: Any, page: Page, sandbox: Any, sandbox_config: Any, sign_in: Any
):
    sandbox.cloud.settings.access_token_lifetime = 100
    sandbox_config()
    await sign_in(page)
    await page.get_by_text("Your sign-in expires soon.").wait_for()
    await page.get_by_text(re.compile(r"\d+ s left")).wait_for()
    await question(page).fill("a question that is not sent yet")
    sandbox.cloud.settings.access_token_lifetime = 1200
    await page.get_by_role("button", name="Renew sign-in").click()
    await page.get_by_text(re.compile(r"\d+ min left")).wait_for()
    await expect(question(page)).to_have_value("a question that is not sent yet")


async def test_a_configuration_with_faults_names_each(browser_context: Any, page: Page, sandbox_config: Any):
    sandbox_config(CLIENT_ID="", API_URL="http://agent.example.com")
    await page.goto(PAGE)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("CLIENT_ID is missing")
    await expect(alert).to_contain_text("API_URL must begin with https://")
