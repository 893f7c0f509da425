"""Many conversations, and a long one: pages on demand, by mouse and keyboard, and a search over all."""

import asyncio
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from playwright.async_api import Page, expect

from tests.frontend.lasting_agent import LastingAgent, listed, prose

MANY = 120
CHAT = "/openai/v1/chat/completions"


async def test_many_conversations_are_shown_by_pages_and_searched_together(
    page: Page, lasting_agent: LastingAgent
) -> None:
    named = [{"id": f"{MANY - place:03}", "title": f"number {place}"} for place in range(MANY)]
    await asyncio.gather(*(lasting_agent.ask("POST", "/threads", each) for each in named))
    await lasting_agent.open_page(page)
    await expect(listed(page)).to_have_count(50)
    await listed(page).last.scroll_into_view_if_needed()
    await expect(listed(page)).to_have_count(100)

    more = page.get_by_role("button", name="Show more")
    await more.focus()
    await more.press("Enter")
    await expect(listed(page)).to_have_count(MANY)
    await expect(page.locator(":focus")).to_have_attribute("title", "number 100")
    await expect(more).to_have_count(0)
    assert await listed(page).evaluate_all("(all) => all.map(({ title }) => title)") == [
        f"number {place}" for place in range(MANY)
    ]

    await listed(page).last.click()  # it stays in the list when the list is read again
    await expect(page.locator(".conversations .current")).to_contain_text("number 119")
    async with page.expect_response("**/threads?*"):
        await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(listed(page)).to_have_count(MANY)

    await page.get_by_label("Search conversations").fill("NUMBER 11")
    await expect(listed(page)).to_have_count(11)
    await expect(listed(page).last).to_contain_text("number 119")
    await page.get_by_label("Search conversations").fill("")
    await expect(listed(page)).to_have_count(50)


async def test_earlier_messages_of_a_long_conversation_are_shown_on_demand(
    page: Page, lasting_agent: LastingAgent
) -> None:
    def echo(messages: Any) -> AIMessage:
        last = [message for message in messages if isinstance(message, HumanMessage)][-1]
        return AIMessage(f"answer {last.text}")

    lasting_agent.will_say(echo)
    for number in range(30):
        body = {"messages": [{"role": "user", "content": f"{number}"}], "metadata": {"thread_id": "long"}}
        await lasting_agent.ask("POST", CHAT, body)
    await lasting_agent.open_page(page)
    await listed(page).click()
    questions = page.get_by_role("article", name="You")
    await expect(questions).to_have_count(25)
    await expect(prose(page)).to_have_text("answer 29")
    assert await page.evaluate("scrollY") > 0

    earlier = page.get_by_role("button", name="Show earlier messages")
    await earlier.focus()
    first = questions.first
    before = (await first.bounding_box() or {})["y"]
    await earlier.press("Enter")
    await expect(questions).to_have_text([str(number) for number in range(30)])
    await expect(earlier).to_be_hidden()
    await expect(questions.first).to_be_focused()
    after = (await questions.nth(5).bounding_box() or {})["y"]
    assert abs(after - before) < 60, "what was read moved"
    await expect(page.get_by_text("Earlier questions shown: 5.")).to_have_count(1)

    search = page.get_by_label("Search conversations")
    await search.fill("nowhere answer")
    await expect(page.get_by_text("No conversation contains these words.")).to_be_visible()
    await search.fill("ANSWER 17")  # of a message, not of the title
    await expect(listed(page)).to_have_count(1)
