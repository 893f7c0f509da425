"""The page for people whom movement makes ill, as their system says it (`prefers-reduced-motion`)."""

from typing import Any

from playwright.async_api import Page

from tests.frontend.chat_page import WEATHER, ask

MOVES = """() => document.getAnimations().flatMap(({ effect }) => effect.getKeyframes())
  .flatMap((frame) => Object.keys(frame))
  .filter((name) => ['rotate', 'translate', 'scale', 'transform', 'offsetPath'].includes(name))"""
"""In the browser: what moves something."""


async def test_nothing_moves_for_those_who_have_asked_for_less_motion(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer_without_end(
        {"agent_event": {"type": "tool_started", **WEATHER}}, {"content": "So far"}
    )
    await ask(signed_in, "go")
    await signed_in.get_by_text("So far").wait_for()
    assert await signed_in.evaluate(MOVES) != [], "a spinner turns for others"
    await signed_in.emulate_media(reduced_motion="reduce")
    assert await signed_in.evaluate(MOVES) == []
    changes = "(element) => getComputedStyle(element).transitionDuration"
    assert await signed_in.locator(".conversation .icon-chevron").first.evaluate(changes) == "0s"
    assert await signed_in.evaluate("document.getAnimations().length") > 0, "it is still seen to work"
