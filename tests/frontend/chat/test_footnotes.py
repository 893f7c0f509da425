"""Footnotes of an answer in a real browser: numbers that lead to notes."""

from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.axe import violations
from tests.frontend.chat_page import answer_to

TEXT = "Two days are left[^days].\n\n[^days]: As of **today**, by [leave](https://example.com/).\n"


async def test_the_number_of_a_footnote_leads_to_it(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer({"content": TEXT[:20]}, {"content": TEXT[20:]})
    answer = await answer_to(signed_in, "how many?")
    note = answer.get_by_role("list", name="Footnotes").get_by_role("listitem")
    await expect(note).to_have_text("As of today, by leave (example.com).")
    await expect(answer.locator(".prose p").first).to_have_text("Two days are left1.")
    await answer.get_by_role("button", name="Footnote 1").press("Enter")
    await expect(note).to_be_focused()
    assert await violations(signed_in) == []
