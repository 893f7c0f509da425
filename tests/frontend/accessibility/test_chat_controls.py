"""The page in a real browser: by keyboard, with a screen reader, in either language, at any width."""

from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.chat_page import ENTERPRISE, WEATHER, answer_to, answered, ask, question


async def test_everything_can_be_done_from_the_keyboard(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer_without_end({"content": "So far"})
    await expect(question(signed_in)).to_be_focused()
    await signed_in.keyboard.type("first line")
    await signed_in.keyboard.press("Shift+Enter")
    await signed_in.keyboard.type("second line")
    await signed_in.keyboard.press("Enter")
    await signed_in.get_by_text("So far").wait_for()
    await signed_in.keyboard.press("Escape")
    await answered(signed_in)
    assert scripted_agent.requests[0]["messages"][0]["content"] == "first line\nsecond line"
    await signed_in.keyboard.press("Shift+Tab")
    await signed_in.keyboard.press("Shift+Tab")
    scripted_agent.will_answer(text="Again.")
    await expect(signed_in.get_by_role("button", name="Ask again")).to_be_focused()
    await signed_in.keyboard.press("Enter")
    await expect(await answered(signed_in)).to_contain_text("Again.")


async def test_answer_is_announced_to_screen_readers_once_when_it_is_complete(
    signed_in: Page, scripted_agent: Any
):
    scripted_agent.will_answer({"content": "**Tea** "}, {"content": "is [ready](https://example.com)."})
    await answer_to(signed_in, "tea?")
    await expect(signed_in.get_by_role("status").filter(has_text="Answer complete")).to_have_text(
        "Answer complete: Tea is ready."
    )


async def test_the_language_can_be_changed_in_mid_answer(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer_without_end(
        {"agent_event": {"type": "tool_started", **WEATHER}}, {"content": "So far"}
    )
    await ask(signed_in, "go")
    await signed_in.get_by_text("So far").wait_for()
    await signed_in.get_by_role("button", name="中文").click()
    await expect(signed_in.get_by_role("article", name="智能体")).to_contain_text("以智能体身份")
    await expect(signed_in.locator("html")).to_have_attribute("lang", "zh")
    await signed_in.get_by_role("button", name="停止").click()
    await signed_in.get_by_text("已停止，已生成的内容保留在上方。").wait_for()
    await signed_in.reload()
    await signed_in.get_by_role("button", name="新对话").wait_for()


async def test_no_width_makes_the_page_scroll_sideways(signed_in: Page, scripted_agent: Any):
    await signed_in.set_viewport_size({"width": 768, "height": 740})
    wide = (
        "| " + " | ".join(f"column {n}" for n in range(12)) + " |\n|" + "---|" * 12 + "\n|" + " value |" * 12
    )
    scripted_agent.will_answer(
        {"agent_event": {"type": "tool_finished", **ENTERPRISE, "ok": True, "duration_ms": 85}},
        text=f"{wide}\n\n```\n{'x' * 300}\n```\n\n{'y' * 300}",
    )
    await answer_to(signed_in, "wide " * 60)
    await signed_in.locator(".tool > summary").click()
    for width in (768, 320):
        await signed_in.set_viewport_size({"width": width, "height": 740})
        assert await signed_in.evaluate("document.documentElement.scrollWidth") <= width
