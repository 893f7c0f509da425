"""Conversations and approvals on the page, with the real agent, on two devices and for two users."""

import json
import re
from typing import Any

from langchain_core.messages import AIMessage
from playwright.async_api import Page, expect

from tests.frontend.chat_page import PAGE
from tests.frontend.lasting_agent import APPLY, LastingAgent, card, listed
from tests.graph.scripted_model import calls
from tests.leave_application import APPLIES, LATER_DAY, LEAVE


async def test_approval_begun_on_one_device_is_decided_on_another(
    page: Page, other_device: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(APPLIES, AIMessage("Applied for 3 days"))
    await lasting_agent.asked(page, APPLY)
    await expect(card(page).get_by_role("heading")).to_have_text(
        "Apply for leave · the leave service on your behalf"
    )
    await expect(card(page).get_by_role("heading").get_by_title("leave.leave_apply")).to_be_visible()
    await expect(card(page).locator(".arguments")).to_contain_text("Days3")
    await expect(card(page).locator(".arguments").get_by_title("first_day")).to_have_text("First day")
    await expect(card(page)).to_contain_text("your rights (Human)")
    await expect(card(page)).to_contain_text("leave.write")
    await expect(page.locator("details.tool-waiting")).to_be_hidden()  # the card says it
    await expect(card(page).get_by_role("timer")).to_be_hidden()  # it does not end soon
    await expect(card(page)).to_contain_text(re.compile(r"Decide until.*\d:\d\d"))
    await page.close()

    await lasting_agent.open_page(other_device)
    await expect(listed(other_device).first).to_contain_text("waits for you")
    await listed(other_device).first.click()
    await card(other_device).get_by_role("button", name="Approve").click()
    answer = other_device.get_by_role("article", name="Agent").last
    await expect(answer).to_contain_text("Applied for 3 days")
    await expect(answer.locator("details.tool-ok")).to_contain_text("on your behalf")
    await expect(card(other_device)).to_have_count(0)


async def test_another_user_of_the_same_browser_sees_none_of_it(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(APPLIES)
    await lasting_agent.asked(page, APPLY)
    await card(page).wait_for()
    bob = await lasting_agent.open_page(await browser_context.new_page(), "bob", page.url.removeprefix(PAGE))
    await expect(bob.locator(".conversations")).to_contain_text("No conversations yet.")
    await expect(bob.get_by_role("article", name="You")).to_have_count(0)


async def test_arguments_are_shown_and_sent_exactly(page: Page, lasting_agent: LastingAgent) -> None:
    days = 12345678901234567890
    reason = "\u202eevil\u202c\u200b\u3164\ufe0f\U000e0041"
    call = calls(("leave_apply", LEAVE | {"days": days, "reason": reason}))
    lasting_agent.will_say(call, AIMessage("Applied."))
    await lasting_agent.asked(page, APPLY)
    await expect(card(page).locator(".arguments")).to_contain_text(f"Days{days}")
    await expect(card(page).locator(".arguments")).to_contain_text(
        r"\u202eevil\u202c\u200b\u3164\ufe0f\udb40\udc41"
    )
    await card(page).get_by_role("button", name="Change").click()
    await card(page).get_by_label("First day", exact=True).fill(LATER_DAY)
    async with page.expect_request(lambda request: "/approvals/" in request.url) as sent:
        await card(page).get_by_role("button", name="Approve as changed").click()
    assert json.loads((await sent.value).post_data)["arguments"] == {
        "days": days, "first_day": LATER_DAY, "reason": reason,
    }  # fmt: skip
    await expect(page.locator("details.tool pre").first).to_contain_text(str(days))
    text = await page.locator("main").inner_text()
    assert not (set(reason) - set("evil")) & set(text)


async def test_refused_deletion_is_shown_and_keeps_the_conversation(
    page: Page, lasting_agent: LastingAgent
) -> None:
    await lasting_agent.ask("POST", "/threads", {"title": "stays"})
    await lasting_agent.open_page(page)
    await page.route("**/threads/*", lambda route: route.abort())
    await page.get_by_role("button", name="Delete “stays”").click()
    await expect(page.locator(".conversations").get_by_role("alert")).to_contain_text("could not be reached")
    await expect(listed(page)).to_have_count(1)
