"""Tables and lists of an answer in a real browser, after both barriers against hostile markup."""

from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.chat_page import answer_to

TEXT = "| item | cost |\n|---|---:|\n| tea | 2 |\n\n3. third\n4. fourth\n"


async def test_a_column_is_aligned_and_a_list_begins_as_they_were_written(
    signed_in: Page, scripted_agent: Any
):
    scripted_agent.will_answer(text=TEXT)
    answer = await answer_to(signed_in, "how much?")
    await expect(answer.get_by_role("cell", name="2")).to_have_css("text-align", "end")
    await expect(answer.get_by_role("columnheader", name="cost")).to_have_css("text-align", "end")
    await expect(answer.get_by_role("cell", name="tea")).to_have_css("text-align", "start")
    await expect(answer.locator("ol")).to_have_js_property("start", 3)
