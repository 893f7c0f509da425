"""An answer that fails or ends early, in a real browser: the page's text, and how to continue."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.frontend.chat_page import answer_to, answered


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (502, "llm_api_key_unavailable", "The agent could not get its key for the language model"),
        (403, "insufficient_scope", "Ask your administrator."),
        (503, "idaas_unreachable", "The identity service could not be reached"),
        (413, "request_too_large", "Begin a new conversation."),
    ],
)
async def test_a_failure_shows_symptom_remedy_and_request_id(
    signed_in: Page, browser_context: Any, scripted_agent: Any, status: int, code: str, words: str
):
    scripted_agent.will_refuse(status, code, request_id="1f2e3d4c")
    scripted_agent.will_answer(text="Now it works.")
    answer = await answer_to(signed_in, "try")
    await expect(answer).to_contain_text(words)
    await expect(answer).to_contain_text(code)
    await browser_context.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await answer.get_by_role("button", name="Copy reference").click()
    assert await signed_in.evaluate("navigator.clipboard.readText()") == "1f2e3d4c"
    # An answer that failed did not show that it needed no service.
    await expect(signed_in.locator(".chain .note")).to_contain_text("When the agent calls a service")
    await signed_in.get_by_role("button", name="Ask again").click()
    await expect(await answered(signed_in)).to_contain_text("Now it works.")
    await expect(signed_in.locator(".chain .note")).to_contain_text("needed no service")
    assert scripted_agent.requests[0]["messages"] == scripted_agent.requests[1]["messages"]


async def test_unknown_code_is_shown_with_the_agents_text(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_refuse(
        502, "my_service_failed", message="My service sleeps; reference 1f2e.", request_id="1f2e"
    )
    answer = await answer_to(signed_in, "try")
    await expect(answer.locator(".symptom")).to_have_text("My service sleeps")
    for words in ("1f2e", "my_service_failed"):
        await expect(answer).to_contain_text(words)


async def test_interrupted_answer_is_not_shown_as_complete(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(text="Half of", done=False)
    await expect(await answer_to(signed_in, "try")).to_contain_text(
        re.compile("Half of.*The answer broke off", re.DOTALL)
    )
    scripted_agent.will_answer(
        {"content": "A third"}, {"error": {"code": "model_call_failed", "message": "m"}}, done=False
    )
    await signed_in.get_by_role("button", name="Ask again").click()
    await expect(await answered(signed_in)).to_contain_text(
        re.compile("A third.*The language model gave no usable answer", re.DOTALL)
    )


async def test_unreachable_agent_has_its_own_message(signed_in: Page, scripted_agent: Any):
    await signed_in.route(f"{scripted_agent.origin}/**", lambda route: route.abort("connectionrefused"))
    await expect(await answer_to(signed_in, "anybody there?")).to_contain_text(
        "The agent could not be reached"
    )
