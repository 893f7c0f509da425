"""Approvals and the list of conversations by keyboard and screen reader: focus, keys, announcements."""

import re
from typing import Any

from langchain_core.messages import AIMessage
from playwright.async_api import Page, expect

from tests.frontend.chat_page import PAGE, answered, ask, question
from tests.frontend.lasting_agent import APPLY, LastingAgent, card, listed, prose
from tests.leave_application import APPLIES

NAME_OF_FOCUSED = """() => {
  const at = document.activeElement;
  return at === document.body ? '' : at.getAttribute('aria-label') ?? at.innerText;
}"""
"""In the browser: what has the focus, as it is called."""


def focused(page: Page) -> Any:
    return page.locator(":focus")


async def status(page: Page, text: str) -> None:
    """Waits until a live region has the text."""
    await expect(page.get_by_role("status").filter(has_text=text)).not_to_have_count(0)


async def test_approval_is_decided_by_keyboard(page: Page, lasting_agent: LastingAgent) -> None:
    lasting_agent.will_say(APPLIES, AIMessage("Applied."))
    await lasting_agent.asked(page, APPLY)
    await expect(card(page)).to_be_focused()
    await status(
        page,
        "The agent waits for your approval."
        " The agent asks: Apply for leave (the leave service, on your behalf)",
    )
    order = []
    for _ in range(5):
        await page.keyboard.press("Tab")
        order.append(await focused(page).evaluate("(at) => at.innerText || at.id"))
    assert order == ["Approve", "Change", "Decline", "Details of the call", "question"]
    for _ in range(2):
        await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("Enter")
    await expect(card(page).get_by_label("Days")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(card(page).get_by_role("button", name="Change")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(card(page).get_by_label("What should the agent know?")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(card(page).get_by_role("button", name="Decline")).to_be_focused()
    await card(page).get_by_role("button", name="Approve").press("Enter")
    await expect(prose(page)).to_have_text("Applied.")
    await expect(question(page)).to_be_focused()
    await status(page, "Answer complete: Applied.")


async def test_card_does_not_take_the_focus_from_a_user_who_writes(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(APPLIES.model_copy(update={"content": "One moment."}), waits=True)
    await lasting_agent.asked(page, APPLY)
    await expect(prose(page)).to_have_text("One")
    await question(page).press_sequentially("Not")
    lasting_agent.model.go_on.set()
    await status(page, "The agent waits for your approval.")
    await expect(question(page)).to_be_focused()
    await expect(question(page)).to_have_value("Not")


async def test_countdown_is_announced_near_its_end_only(
    other_device: Page, lasting_agent: LastingAgent
) -> None:
    page = other_device  # its clock is that of no other test
    lasting_agent.will_say(APPLIES)
    await page.clock.install()
    await lasting_agent.open_page(page)
    await page.evaluate(
        """() => {
          window.announced = [];
          const live = '[role=status], [role=alert], [aria-live]:not([aria-live=off])';
          new MutationObserver((changes) => {
            for (const { target } of changes) {
              const region = target.parentElement?.closest(live) ?? (target.matches?.(live) && target);
              if (region && region.textContent) window.announced.push(region.textContent);
            }
          }).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    await ask(page, APPLY)
    await card(page).wait_for()
    await expect(card(page).locator(".note[role=timer]")).to_be_hidden()  # it does not end soon
    await page.evaluate("window.announced.length = 0")
    await page.clock.run_for(530_000)
    await expect(card(page).get_by_role("timer")).to_contain_text("seconds")
    await page.clock.run_for(80_000)
    await expect(card(page)).to_contain_text("Not decided in time; nothing was called.")
    await expect(card(page).get_by_role("button")).to_have_count(0)
    announced = await page.evaluate("window.announced")
    assert len(announced) == 2, announced
    assert re.fullmatch(r"The agent waits for your approval for another \d+ seconds\.", announced[0])
    assert announced[1] == "Not decided in time; nothing was called."

    lasting_agent.sandbox.clock.advance(610)  # for the agent, too
    await page.clock.resume()
    lasting_agent.will_say(AIMessage("Hello."))
    await ask(page, "And now?")  # a new question, which declines nothing
    await expect(prose(page)).to_have_text("Hello.")
    await expect(page.get_by_role("article", name="You")).to_have_text([APPLY, "And now?"])
    await expect(page.locator("details.tool-not_called")).to_have_count(1)
    await page.reload()
    await expect(prose(page)).to_have_text("Hello.")
    await expect(page.locator("details.tool-not_called")).to_have_count(1)


async def test_sign_in_question_approval_and_list_need_the_keyboard_alone(
    page: Page, lasting_agent: LastingAgent, sandbox: Any, sandbox_config: Any
) -> None:
    sandbox_config("code", API_URL=lasting_agent.origin)
    lasting_agent.will_say(AIMessage("Hello."), APPLIES, AIMessage("Applied."))
    keys = page.keyboard
    await page.goto(PAGE)
    await page.get_by_role("button", name="Sign in with IDaaS").wait_for()

    async def go_to(name: str) -> None:
        """By the Tab key, as somebody does who sees what has the focus."""
        for _ in range(20):
            await keys.press("Tab")
            if name in await page.evaluate(NAME_OF_FOCUSED):
                outline = await focused(page).evaluate("(at) => getComputedStyle(at).outlineStyle")
                assert outline != "none", f"{name} does not show that it has the focus"
                return
        raise AssertionError(f"the Tab key does not lead to {name}")

    await go_to("Sign in with IDaaS")
    await keys.press("Enter")
    await expect(page.get_by_label("User name")).to_be_focused()
    await keys.type("alice")
    await keys.press("Tab")
    await keys.type(sandbox.cloud.secrets.alice_password)
    await keys.press("Enter")
    await expect(question(page)).to_be_focused()
    await keys.type("Hello")
    await keys.press("Enter")
    await answered(page)
    await keys.type(APPLY)
    await keys.press("Enter")
    await expect(card(page)).to_be_focused()
    await go_to("Approve")
    await keys.press("Enter")
    await expect(prose(page)).to_have_text("Applied.")
    await expect(question(page)).to_be_focused()
    await page.reload()
    await expect(listed(page)).to_have_count(1)
    await go_to("New conversation")
    await keys.press("Enter")
    await expect(question(page)).to_be_focused()
    await page.reload()
    await expect(listed(page)).to_have_count(1)
    await go_to("Hello")
    await keys.press("Enter")
    await expect(prose(page)).to_have_text("Applied.")


async def test_list_is_used_by_keyboard(page: Page, lasting_agent: LastingAgent) -> None:
    for place, title in (("1", "three"), ("2", "two"), ("3", "one")):
        await lasting_agent.ask("POST", "/threads", {"id": place, "title": title})
    await lasting_agent.open_page(page)
    await expect(listed(page)).to_have_count(3)
    await page.get_by_label("Search conversations").focus()
    await page.keyboard.press("Tab")
    await expect(focused(page)).to_have_attribute("title", "one")
    await page.keyboard.press("ArrowDown")
    await expect(focused(page)).to_have_attribute("title", "two")

    await page.keyboard.press("Tab")  # one stop for each entry
    await expect(focused(page)).to_have_attribute("title", "three")
    await page.keyboard.press("Shift+Tab")
    await page.keyboard.press("F2")
    await expect(page.get_by_label("New title")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Rename “two”")).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await expect(focused(page)).to_have_attribute("title", "two")
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("button", name="Rename “two”")).to_be_focused()
    await page.keyboard.press("Enter")
    await page.keyboard.type("second")
    async with page.expect_response(lambda response: response.request.method == "PATCH"):
        await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Rename “second”")).to_be_focused()

    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("Enter")
    await status(page, "“second” was deleted.")
    await expect(focused(page)).to_have_attribute("title", "three")
    await page.get_by_role("button", name="Undo").press("Enter")
    await expect(focused(page)).to_have_attribute("title", "second")
    await expect(listed(page)).to_have_count(3)
    await page.keyboard.press("Delete")
    await status(page, "“second” was deleted.")
    await page.get_by_role("button", name="Undo").press("Enter")
    await expect(listed(page)).to_have_count(3)

    await page.get_by_label("Search conversations").fill("th")
    await status(page, "Conversations found: 1.")


async def test_escape_folds_the_list_on_a_phone(page: Page, lasting_agent: LastingAgent) -> None:
    await lasting_agent.ask("POST", "/threads", {"title": "one"})
    await page.set_viewport_size({"width": 375, "height": 667})
    await lasting_agent.open_page(page)
    summary = page.locator(".conversations > summary")
    await summary.press("Enter")
    await listed(page).focus()
    await page.keyboard.press("Escape")
    await expect(summary).to_be_focused()
    await expect(listed(page)).to_be_hidden()
    await summary.press("Enter")
    await listed(page).press("Enter")
    await expect(listed(page)).to_be_hidden()
    await expect(page.locator(".conversations .current")).to_have_count(1)
    await expect(summary).to_be_focused()
