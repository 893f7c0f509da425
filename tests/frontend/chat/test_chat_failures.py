"""An answer that fails, in a real browser: the page's text, and how to continue."""

from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.chat_page import answer_to, answered


async def test_a_failure_shows_symptom_remedy_and_request_id_and_can_be_asked_again(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_refuse(403, "insufficient_scope", request_id="1f2e3d4c")
    scripted_agent.will_answer(text="Now it works.")
    answer = await answer_to(signed_in, "try")
    for words in ("Ask your administrator.", "insufficient_scope"):
        await expect(answer).to_contain_text(words)
    await browser_context.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await answer.get_by_role("button", name="Copy reference").click()
    assert await signed_in.evaluate("navigator.clipboard.readText()") == "1f2e3d4c"
    # An answer that failed did not show that it needed no service.
    await expect(signed_in.locator(".chain .note")).to_contain_text("When the agent calls a service")
    await signed_in.get_by_role("button", name="Ask again").click()
    await expect(await answered(signed_in)).to_contain_text("Now it works.")
    await expect(signed_in.locator(".chain .note")).to_contain_text("needed no service")
    assert scripted_agent.requests[0]["messages"] == scripted_agent.requests[1]["messages"]
