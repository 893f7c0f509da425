"""Undo of an edit, of asking again and of a new conversation, in a real browser."""

from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.chat_page import answer_to, answered, ask, question


async def test_a_cancelled_edit_leaves_answer_and_draft_as_they_were(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(text="Which city?")
    await answer_to(signed_in, "weather")
    await question(signed_in).fill("a draft")
    await signed_in.get_by_role("button", name="Edit question").click()
    await expect(question(signed_in)).to_have_value("weather")
    await signed_in.get_by_text("Its answer stays until you send the new one.").wait_for()
    await signed_in.keyboard.press("Escape")
    await expect(question(signed_in)).to_have_value("a draft")
    await expect(await answered(signed_in)).to_contain_text("Which city?")
    assert len(scripted_agent.requests) == 1


async def test_an_edit_that_was_sent_can_be_undone_from_the_keyboard(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(text="The good answer.")
    scripted_agent.will_refuse(502, "model_call_failed")
    await answer_to(signed_in, "weather")
    await signed_in.get_by_role("button", name="Edit question").click()
    await ask(signed_in, "weather, please")
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


async def test_a_new_conversation_can_be_undone_until_the_next_question(signed_in: Page, scripted_agent: Any):
    undo = signed_in.get_by_role("button", name="Undo")
    scripted_agent.will_answer(text="Noted.")
    scripted_agent.will_answer(text="Another.")
    await answer_to(signed_in, "remember tea")
    await signed_in.get_by_role("button", name="New conversation").click()
    await signed_in.get_by_text("What can I do for you?").wait_for()
    await undo.click()
    await expect(await answered(signed_in)).to_contain_text("Noted.")
    await expect(undo).to_have_count(0)
    await signed_in.get_by_role("button", name="New conversation").click()
    await undo.wait_for()
    await answer_to(signed_in, "something else")
    await expect(undo).to_have_count(0)


async def test_undo_stops_the_new_answer_that_is_under_way(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(text="The first.")
    scripted_agent.will_answer_without_end({"content": "The second"})
    await answer_to(signed_in, "one")
    await signed_in.get_by_role("button", name="Ask again").click()
    await signed_in.get_by_text("The second").first.wait_for()
    await signed_in.get_by_role("button", name="Undo").click()
    await expect(await answered(signed_in)).to_contain_text("The first.")
    await scripted_agent.client_left.wait()


async def test_sign_out_cannot_be_undone(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(text="For one person only.")
    await answer_to(signed_in, "hello")
    await signed_in.get_by_role("button", name="New conversation").click()
    await signed_in.evaluate("new BroadcastChannel('idaas-agent').postMessage('signed-out')")
    await signed_in.get_by_role("button", name="Sign in with IDaaS").wait_for()
    await expect(signed_in.get_by_role("button", name="Undo")).to_have_count(0)
