"""The list of conversations in groups of days, and the new conversation that begins at it."""

from langchain_core.messages import AIMessage
from playwright.async_api import Page, expect

from tests.frontend.chat_page import answer_to, ask, question
from tests.frontend.lasting_agent import APPLY, LastingAgent, card, listed
from tests.leave_application import APPLIES

DAY_MS = 86_400_000


async def test_conversations_are_listed_by_the_day_of_their_last_change(
    other_device: Page, lasting_agent: LastingAgent
) -> None:
    page = other_device  # its clock is that of no other test
    await lasting_agent.ask("POST", "/threads", {"title": "one"})
    changed = (await lasting_agent.ask("GET", "/threads")).json()["threads"][0]["updated_at"]
    for days, group in ((0, "Today"), (1, "Yesterday"), (3, "Last 7 days"), (40, "Older")):
        await page.clock.set_fixed_time(f"{changed}")
        now = await page.evaluate(f"Date.now() + {days * DAY_MS}")
        await page.clock.set_fixed_time(now / 1000)
        await lasting_agent.open_page(page)
        await expect(page.get_by_role("list", name=group).get_by_role("button").first).to_have_attribute(
            "title", "one"
        )
        await expect(page.locator(".conversations .group")).to_have_text([group])


async def test_what_waits_is_a_group_of_its_own_before_the_days(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(APPLIES, AIMessage("Hello."))
    await lasting_agent.asked(page, APPLY)
    await card(page).wait_for()
    await page.get_by_role("button", name="New conversation").click()
    await answer_to(page, "Hello")
    await expect(page.locator(".conversations .group")).to_have_text(["Waits for a decision", "Today"])
    await expect(listed(page)).to_have_count(2)
    await expect(listed(page).first).to_contain_text("waits for you")


async def test_a_new_conversation_begins_at_the_list_and_can_be_written_at_once(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(AIMessage("Hello."))
    await lasting_agent.open_page(page)
    await answer_to(page, "Hello")
    at_list = page.locator(".conversations").get_by_role("button", name="New conversation")
    at_top = page.get_by_role("banner").get_by_role("button", name="New conversation")
    await expect(at_top).to_be_hidden()
    await at_list.press("Enter")
    await expect(question(page)).to_be_focused()
    await expect(page.get_by_role("article", name="You")).to_have_count(0)

    await ask(page, "Hello")
    await page.set_viewport_size({"width": 375, "height": 667})
    await expect(at_list).to_be_hidden()
    await at_top.click()
    await expect(question(page)).to_be_focused()
