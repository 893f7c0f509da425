"""A `Retry-After` of the agent, in a real browser: the page counts down, then permits the question."""

from typing import Any

import pytest_asyncio
from playwright.async_api import Page, expect

from tests.frontend.chat_page import PAGE, answer_to, answered


@pytest_asyncio.fixture(loop_scope="session")
async def page(other_device: Page) -> Page:
    """A page of a browser context of its own, because a clock that was moved stays so in its context."""
    return other_device


async def test_a_429_counts_down_and_then_the_question_can_be_asked_again(
    signed_in: Page, scripted_agent: Any
):
    await signed_in.clock.install()
    await signed_in.goto(PAGE)
    scripted_agent.will_refuse(429, "rate_limited", retry_after=40)
    scripted_agent.will_answer(text="Now it works.")
    answer = await answer_to(signed_in, "try")
    again = signed_in.get_by_role("button", name="Ask again")
    await expect(answer).to_contain_text("You have sent too many requests")
    await expect(again).to_be_disabled()
    await expect(answer.get_by_role("timer")).to_have_text("You can ask again in 40 seconds.")
    await signed_in.clock.run_for(25_000)
    await expect(answer.get_by_role("timer")).to_have_text("You can ask again in 15 seconds.")
    await expect(again).to_be_disabled()
    await signed_in.clock.run_for(16_000)
    await expect(answer.get_by_role("timer")).to_have_text("You can ask again now.")
    await expect(signed_in.get_by_role("status").filter(has_text="You can ask again now.")).not_to_have_count(
        0
    )
    await again.click()
    await expect(await answered(signed_in)).to_contain_text("Now it works.")


async def test_countdown_continues_after_a_reload(signed_in: Page, scripted_agent: Any):
    await signed_in.clock.install()
    await signed_in.goto(PAGE)
    scripted_agent.will_refuse(429, "rate_limited", retry_after=600)
    await answer_to(signed_in, "try")
    await signed_in.clock.run_for(120_000)
    await signed_in.reload()
    answer = await answered(signed_in)
    await expect(answer.get_by_role("timer")).to_have_text("You can ask again in 8 minutes.")
    await expect(signed_in.get_by_role("button", name="Ask again")).to_be_disabled()
