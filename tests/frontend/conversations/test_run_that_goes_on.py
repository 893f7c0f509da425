"""A run that goes on while the page is reloaded, in two tabs, and on two devices."""

import re
from typing import Any

from langchain_core.messages import AIMessage
from playwright.async_api import Page, expect

from tests.frontend import reports
from tests.frontend.axe import violations
from tests.frontend.chat_page import ask
from tests.frontend.lasting_agent import APPLY, LastingAgent, card, listed, prose
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import APPLIES

WORDS = "Monday Tuesday Wednesday Thursday Friday"


async def test_reload_in_the_middle_of_a_run_shows_each_word_once(
    page: Page, lasting_agent: LastingAgent
) -> None:
    balance = calls(("leave_balance", {}), text="First the balance.")
    balance.additional_kwargs["reasoning_content"] = "It may matter."

    def second(_: Any) -> AIMessage:
        lasting_agent.model.waits = True
        return AIMessage(WORDS)

    lasting_agent.will_say(balance, second)
    await lasting_agent.asked(page, "When?")
    await expect(prose(page).last).to_have_text("Monday")
    for _ in range(2):
        await page.reload()
        await expect(prose(page)).to_have_text(["First the balance.", "Monday"])
        await expect(page.locator(".reasoning-text")).to_have_text(["It may matter."])
        await expect(page.locator("details.tool")).to_have_count(1)
        await expect(page.locator("details.tool-ok")).to_have_count(1)
        await expect(page.get_by_role("button", name="Stop")).to_be_visible()
    lasting_agent.model.go_on.set()
    await expect(prose(page)).to_have_text(["First the balance.", WORDS])
    await page.get_by_role("button", name="Ask again").wait_for()
    await expect(listed(page).locator(".running")).to_have_count(0)
    await page.reload()
    await expect(prose(page)).to_have_text(["First the balance.", WORDS])
    await expect(page.get_by_role("article", name="You")).to_have_text(["When?"])


async def test_stop_ends_a_run_that_goes_on_after_a_reload(page: Page, lasting_agent: LastingAgent) -> None:
    lasting_agent.will_say(AIMessage(WORDS), waits=True)
    await lasting_agent.asked(page, "When?")
    await expect(prose(page)).to_have_text("Monday")
    await page.reload()
    await expect(prose(page)).to_have_text("Monday")
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator(".stopped")).to_contain_text("Stopped")
    await expect(listed(page).locator(".running")).to_have_count(0)
    [thread] = (await lasting_agent.ask("GET", "/threads")).json()["threads"]
    assert thread["status"] == "idle"
    await page.reload()
    await expect(prose(page)).to_have_text("Monday")
    await expect(page.locator(".stopped")).to_have_text("Stopped. What had come so far is kept.")


async def test_each_answer_that_was_stopped_says_so_after_a_reload(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(AIMessage(WORDS), waits=True)
    await lasting_agent.asked(page, "When?")
    await expect(prose(page)).to_have_text("Monday")
    [thread] = (await lasting_agent.ask("GET", "/threads")).json()["threads"]
    await lasting_agent.ask("POST", f"/threads/{thread['id']}/cancel")
    await page.reload()
    await expect(page.locator(".stopped")).to_have_count(1)

    def second(_: Any) -> AIMessage:
        lasting_agent.model.waits = True
        return AIMessage(WORDS)

    lasting_agent.will_say(calls(("leave_balance", {})), second)
    await ask(page, "And after that?")
    await expect(prose(page)).to_have_text("Monday")
    await expect(page.locator("details.tool-ok")).to_have_count(1)
    await page.get_by_role("button", name="Stop").click()
    await expect(page.locator(".stopped")).to_have_count(2)
    await page.reload()
    await expect(page.locator(".stopped")).to_have_count(2)


async def test_second_tab_shows_the_run_that_the_first_began(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(AIMessage("Hello."), AIMessage(WORDS))
    await lasting_agent.asked(page, "one")
    await page.get_by_role("button", name="Ask again").wait_for()
    second = await lasting_agent.open_page(await browser_context.new_page())
    await listed(second).click()
    await expect(prose(second)).to_have_text("Hello.")

    lasting_agent.model.waits = True
    await ask(page, "two")
    for tab in (page, second):
        await expect(tab.get_by_role("article", name="You")).to_have_text(["one", "two"])
        await expect(prose(tab)).to_have_text("Monday")
        await expect(listed(tab)).to_contain_text("The agent is answering")
    lasting_agent.model.go_on.set()
    for tab in (page, second):
        await expect(prose(tab)).to_have_text(WORDS)
        await tab.get_by_role("button", name="Ask again").wait_for()


async def test_approval_answered_in_one_tab_closes_in_the_other(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(APPLIES, AIMessage("Applied."))
    await lasting_agent.open_page(page)
    second = await lasting_agent.open_page(await browser_context.new_page())
    await ask(page, APPLY)
    await card(page).wait_for()
    await expect(listed(second)).to_contain_text("waits for you")
    await listed(second).click()
    await card(second).get_by_role("button", name="Approve").click()
    for tab in (page, second):
        await expect(prose(tab)).to_have_text("Applied.")
        await expect(card(tab)).to_have_count(0)
        await expect(tab.locator("details.tool")).to_have_count(1)
        await expect(tab.locator("details.tool-ok")).to_have_count(1)
        await expect(listed(tab).locator(".badge")).to_have_count(0)


async def test_decision_that_comes_second_shows_the_first(page: Page, lasting_agent: LastingAgent) -> None:
    lasting_agent.will_say(APPLIES, AIMessage("You declined."))
    await lasting_agent.asked(page, APPLY)
    await card(page).wait_for()
    await page.route("**/threads?*", lambda route: route.abort())  # it has no news but by its own decision
    [thread] = (await lasting_agent.ask("GET", "/threads")).json()["threads"]
    [approval] = (await lasting_agent.ask("GET", f"/threads/{thread['id']}")).json()["approvals"]
    path = f"/threads/{thread['id']}/approvals/{approval['id']}"
    await lasting_agent.ask("POST", path, {"decision": "reject"})
    await lasting_agent.ask("GET", f"/threads/{thread['id']}/events")  # to the end of the run
    await card(page).get_by_role("button", name="Approve").click()
    await expect(prose(page)).to_have_text("You declined.")
    await expect(card(page)).to_have_count(0)
    notice = re.compile("You decided this at .+, with python-httpx/.+ changed nothing")
    await expect(page.get_by_role("status").filter(has_text=notice)).to_be_visible()


async def test_progress_of_a_long_call_is_shown_until_its_result(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(reports.PRINT, DONE)
    reports.MAY_END.clear()
    await lasting_agent.asked(page, "Print it")
    await expect(card(page).locator(".arguments")).to_contain_text(f"{reports.PROJECT}P-71")
    await card(page).get_by_role("button", name="Approve", exact=True).click()
    bar = page.get_by_role("progressbar", name="Progress of the call of reports: print_report")
    for _ in range(2):
        await expect(bar).to_have_attribute("value", "0.4")
        await expect(page.locator(".progress")).to_contain_text("page 2 of 9 for P-71")
        await page.reload()
    await bar.wait_for()
    assert await violations(page, [("light", 1280), ("dark", 360)]) == []
    reports.MAY_END.set()
    await expect(prose(page)).to_have_text("done")
    await expect(bar).to_have_count(0)
    await expect(page.locator("details.tool-ok")).to_have_count(1)
