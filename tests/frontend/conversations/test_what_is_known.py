"""What the page says of its state: offline, on its way, gone, and what the agent may do."""

import asyncio

from langchain_core.messages import AIMessage
from playwright.async_api import Page, Route, expect

from tests.frontend.axe import violations
from tests.frontend.chat_page import answered, ask, question
from tests.frontend.lasting_agent import LastingAgent, listed, prose


async def test_a_question_is_on_its_way_until_the_agent_has_accepted_it(
    page: Page, lasting_agent: LastingAgent
) -> None:
    arrive = asyncio.Event()

    async def late(route: Route) -> None:
        await arrive.wait()
        await route.continue_()

    lasting_agent.will_say(AIMessage("Hello. And more."), waits=True)
    await lasting_agent.open_page(page)
    await page.route("**/ag-ui/agent", late)
    await ask(page, "Hello")
    await expect(page.locator(".waiting")).to_have_text("Sending …")
    await expect(page.locator(".on-its-way")).to_have_text("Hello")
    assert await violations(page, [("light", 1280)]) == []
    arrive.set()
    await expect(prose(page)).to_have_text("Hello.")
    await expect(page.locator(".on-its-way")).to_have_count(0)
    lasting_agent.model.go_on.set()
    await answered(page)


async def test_offline_is_shown_and_the_list_is_read_when_it_has_ended(
    other_device: Page, lasting_agent: LastingAgent
) -> None:
    page = other_device
    await lasting_agent.open_page(page)
    await question(page).fill("later")
    await page.context.set_offline(True)
    offline = page.get_by_role("status").filter(has_text="You are offline.")
    await expect(offline).to_be_visible()
    assert await violations(page, [("light", 1280), ("dark", 1280)]) == []
    await lasting_agent.ask("POST", "/threads", {"title": "made meanwhile"})
    await page.context.set_offline(False)
    await expect(offline).to_have_count(0)
    await expect(listed(page)).to_have_count(1)
    await expect(question(page)).to_have_value("later")


async def test_a_link_to_a_conversation_that_is_gone_says_so(page: Page, lasting_agent: LastingAgent) -> None:
    lasting_agent.will_say(AIMessage("Hello."))
    await lasting_agent.open_page(page, at="#conversation=never-was")
    notice = page.get_by_role("status").filter(has_text="does not exist any more, or is not yours")
    await expect(notice).to_be_visible()
    await ask(page, "Hello")
    await answered(page)
    await expect(notice).to_have_count(0)


async def test_the_empty_page_says_what_the_agent_may_do_and_with_whose_rights(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(AIMessage("Hello."))
    await lasting_agent.open_page(page)
    shown = page.locator(".may-do")
    await expect(shown.get_by_role("listitem").filter(has_text="leave service")).to_contain_text(
        "on your behalf"
    )
    assert await violations(page) == []
    await page.set_viewport_size({"width": 1280, "height": 900})
    await shown.get_by_role("button").click()
    await expect(page.get_by_role("dialog").get_by_role("heading", level=2)).to_have_text(
        "What the agent may do for you"
    )
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="中文").click()
    await expect(shown.get_by_role("listitem").filter(has_text="休假服务")).to_contain_text("代表你")
    await page.get_by_role("textbox").last.fill("Hello")
    await page.get_by_role("textbox").last.press("Enter")
    await expect(shown).to_be_hidden()


async def test_what_the_agent_may_do_is_said_by_its_titles_and_once_it_can_be_reached(
    page: Page, lasting_agent: LastingAgent
) -> None:
    named = asyncio.Event()

    async def late(route: Route) -> None:
        await named.wait()
        await route.continue_()

    await page.route("**/services", late)
    shown = page.locator(".may-do")
    entry = shown.get_by_role("listitem").filter(has_text="leave service")
    async with page.expect_response("**/rights") as rights:
        await lasting_agent.open_page(page)
    await (await rights.value).finished()
    await expect(shown).to_be_hidden()
    named.set()
    await expect(entry).to_be_visible()

    paths = ("**/threads?*", "**/rights", "**/services")
    for path in paths:
        await page.route(path, lambda route: route.abort())
    async with page.expect_event("requestfailed", lambda failed: failed.url.endswith("/rights")):
        await page.reload()
    await expect(shown).to_be_hidden()
    for path in paths:
        await page.unroute(path)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(entry).to_be_visible()


async def test_of_two_views_the_last_one_that_is_asked_for_opens(
    other_device: Page, lasting_agent: LastingAgent
) -> None:
    page = other_device  # which has kept no module
    arrive = asyncio.Event()

    async def late(route: Route) -> None:
        await arrive.wait()
        await route.continue_()

    await lasting_agent.open_page(page)
    await page.route("**/rights-view*.js", late)

    async def choose(entry: str) -> None:
        await page.get_by_title("More").click()
        await page.get_by_role("button", name=entry).click()

    await choose("What the agent may do for you")
    await choose("What the agent did for you")
    title = page.get_by_role("dialog").get_by_role("heading", level=2)
    await expect(title).to_have_text("What the agent did for you")
    async with page.expect_response("**/rights-view*.js"):
        arrive.set()
    await page.evaluate("new Promise((resolve) => setTimeout(() => requestAnimationFrame(resolve)))")
    await expect(title).to_have_text("What the agent did for you")
