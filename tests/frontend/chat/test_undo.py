"""Undo of an edit that was sent, in a real browser. Which undo there is when: the tests of the module."""

from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.chat_page import answer_to, answered, ask_edited, question


async def test_an_edit_that_was_sent_can_be_undone_from_the_keyboard(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(text="The good answer.")
    scripted_agent.will_refuse(502, "model_call_failed")
    await answer_to(signed_in, "weather")
    await signed_in.get_by_role("button", name="Edit question").click()
    await ask_edited(signed_in, "weather, please")
    await signed_in.locator(".failure").wait_for()
    await answered(signed_in)
    await expect(signed_in.get_by_text("The good answer.")).to_have_count(0)
    sent = [message["content"] for message in scripted_agent.requests[-1]["messages"]]
    assert sent == ["weather, please"]
    await question(signed_in).focus()
    await signed_in.keyboard.press("Shift+Tab")
    await expect(signed_in.get_by_role("button", name="Undo")).to_be_focused()
    await signed_in.keyboard.press("Enter")
    await expect(await answered(signed_in)).to_contain_text("The good answer.")
    await expect(signed_in.locator(".failure")).to_have_count(0)
    await expect(question(signed_in)).to_be_focused()
    await signed_in.reload()
    await expect(await answered(signed_in)).to_contain_text("The good answer.")
