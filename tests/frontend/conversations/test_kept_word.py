"""The page keeps its word: what it announces is stored, and nothing is decided or lost by chance."""

import json
import re
from typing import Any

from langchain_core.messages import AIMessage
from playwright.async_api import Page, Route, expect

from graph.error_codes import GraphCode
from identity.errors import ServiceError
from tests.frontend.chat_page import COVERED, PAGE, answer_to, answered, ask, ask_edited, question
from tests.frontend.lasting_agent import APPLY, LastingAgent, card, prose
from tests.graph.scripted_model import calls
from tests.leave_application import APPLIES

COMPOSED_ESCAPE = """(field) => field.dispatchEvent(new KeyboardEvent('keydown', {
  key: 'Escape', isComposing: true, bubbles: true, cancelable: true,
}))"""
"""In the browser: Esc drops what an input method composes, such as Chinese, and nothing else."""


def questions(page: Page) -> Any:
    return page.get_by_role("article", name="You")


async def test_edited_question_replaces_the_old_one_and_both_can_be_seen_and_saved(
    page: Page, lasting_agent: LastingAgent
) -> None:
    old, new = AIMessage("The old answer"), AIMessage("The new answer")
    lasting_agent.will_say(AIMessage("Hello"), APPLIES, old, new)
    await lasting_agent.asked(page, "Good morning")
    await answered(page)
    await ask(page, "The wrong question")
    await card(page).get_by_role("button", name="Approve").click()
    await expect(prose(page)).to_contain_text("The old answer")
    await answered(page)
    await page.get_by_role("button", name="Edit question").click()
    await expect(page.locator(".question-editor")).to_contain_text("is not undone: the leave service")
    await ask_edited(page, "The right question")
    await expect(prose(page)).to_contain_text("The new answer")
    await expect(page.locator(".foot .notice")).to_contain_text("is not undone: the leave service")
    await page.reload()
    await expect(prose(page)).to_contain_text("The new answer")
    await expect(questions(page)).to_have_text(["Good morning", "The right question"])
    assert [message.text.strip() for message in lasting_agent.model.asked[-1][1:]] == [
        *("Good morning", "Hello", "The right question")
    ]
    assert "leave_apply" in lasting_agent.model.asked[-1][0].text

    await expect(page.locator(".version")).to_have_text("2 of 2")
    await page.get_by_role("button", name="Show the version before").click()
    await expect(questions(page).last).to_have_text("The wrong question")
    await expect(page.locator(".version")).to_have_text("1 of 2")
    await page.get_by_role("button", name="Ask again").click()
    await expect(page.locator(".version")).to_have_text("3 of 3")
    await expect(questions(page)).to_have_text(["Good morning", "The wrong question"])
    await expect(page.locator(".about time").last).to_have_text(re.compile(r"\d"))

    await page.get_by_title("More").click()
    for form, expected in (("Markdown", "## Agent"), ("JSON", '"replaced":true')):
        async with page.expect_download() as saved:
            await page.get_by_role("button", name=f"Save as {form}").click()
        file = await saved.value
        ending = "md" if form == "Markdown" else "json"
        assert re.fullmatch(rf"Good morning \d{{4}}-\d\d-\d\d\.{ending}", file.suggested_filename)
        text = (await file.path()).read_text(encoding="utf-8")
        assert expected in text
        assert ("The right question" in text) == (form == "JSON")
    await page.get_by_label("Dark").check()
    await page.reload()
    assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


async def test_earlier_question_is_edited_in_place_of_all_that_follows_which_can_be_shown_again(
    page: Page, lasting_agent: LastingAgent
) -> None:
    balance = calls(("leave_balance", {}))
    lasting_agent.will_say(AIMessage("ONE"), AIMessage("TWO"), balance, AIMessage("THREE"), AIMessage("NEW"))
    await lasting_agent.open_page(page)
    for text in ("one", "two", "three"):
        await ask(page, text)
        await answered(page)
    await question(page).fill("a draft")
    await page.get_by_role("button", name="Edit this earlier question").last.click()
    editor = page.locator(".in-edit .question-editor")
    await expect(editor.get_by_role("textbox")).to_have_value("two")
    await expect(editor.get_by_role("textbox")).to_be_focused()
    await expect(editor).to_contain_text("replaces this question and all that follows")
    await expect(editor).not_to_contain_text("is not undone")  # the call has only read
    assert await editor.evaluate("(shown) => getComputedStyle(shown).boxShadow") != "none"
    await editor.get_by_role("textbox").evaluate(COMPOSED_ESCAPE)
    await expect(editor).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(editor).to_have_count(0)
    await expect(questions(page).nth(1)).to_be_focused()
    await page.get_by_role("button", name="Edit this earlier question").last.click()
    await ask_edited(page, "TWO, please")
    await expect(question(page)).to_have_value("a draft")
    await expect(prose(page)).to_have_text("NEW")
    await expect(questions(page)).to_have_text(["one", "TWO, please"])
    assert [message.text.strip() for message in lasting_agent.model.asked[-1][1:]] == [
        *("one", "ONE", "TWO, please")
    ]
    await expect(page.locator(".version")).to_have_text("2 of 2")
    await page.get_by_role("button", name="Show the version before").click()
    await expect(questions(page)).to_have_text(["one", "two", "three"])


async def test_text_decides_nothing_while_an_approval_is_open(
    page: Page, lasting_agent: LastingAgent
) -> None:
    applied = [APPLIES, AIMessage("Applied."), lambda messages: AIMessage(f"You wrote: {messages[-1].text}")]
    lasting_agent.will_say(*applied, APPLIES, lambda messages: AIMessage(messages[-1].text))
    await lasting_agent.asked(page, APPLY)
    await card(page).wait_for()
    await page.get_by_title("More").click()
    await page.get_by_role("button", name="What waits for you").click()
    await expect(page.locator(".rows .open")).to_have_text(
        f"{APPLY}The agent asks: Apply for leave (the leave service, on your behalf)"
    )
    await page.keyboard.press("Escape")
    await ask(page, "yes, please do it")
    await expect(page.locator(".foot .notice")).to_contain_text("after you have decided: “yes, please do it”")
    await expect(card(page).get_by_role("button", name="Approve")).to_be_visible()
    await card(page).get_by_role("button", name="Approve").click()
    await expect(prose(page)).to_have_text("You wrote: yes, please do it")
    await expect(page.locator("details.tool-ok")).to_have_count(1)

    await ask(page, APPLY)
    await card(page).wait_for()
    await question(page).fill("Not this week")
    await expect(page.get_by_role("button", name="Send after you have decided")).to_be_visible()
    await page.get_by_role("button", name="Decline, and send this").click()
    await expect(prose(page)).to_contain_text("Not this week")
    assert lasting_agent.sandbox.cloud.counters.snapshot()["function_compute:leave_applied"] == 1
    declined = page.locator("details.tool-not_called")
    await expect(declined).to_contain_text("You declined the call of the leave service")
    await page.reload()
    await expect(declined).to_contain_text("Your reasonNot this week")


async def test_arguments_are_in_sight_where_they_are_approved_and_changed_within_their_types(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(APPLIES, AIMessage("Applied."))
    await lasting_agent.asked(page, APPLY)
    await card(page).wait_for()
    approve = card(page).get_by_role("button", name="Approve")
    for width, height in ((375, 667), (640, 450)):  # a phone; 1280 by 900 at 200 %
        await page.set_viewport_size({"width": width, "height": height})
        await page.evaluate("document.documentElement.scrollTop = document.documentElement.scrollHeight")
        for seen in (
            approve,
            card(page).locator(".arguments dd").first,
            card(page).locator(".arguments dd").last,
        ):
            await expect(seen).to_be_in_viewport(ratio=1)
            assert not await seen.evaluate(COVERED), f"{seen} is covered at {width} px"
        await question(page).fill("yes,\nplease\ndo it")  # the field grows, and covers no button
        await page.wait_for_function(
            """() => document.querySelector('.approval').getBoundingClientRect().bottom
              <= document.querySelector('.foot').getBoundingClientRect().top""",
            timeout=20_000,  # the list is read once a minute, and then the page follows in any case
        )
        await ask(page, "yes, and say how many days are left after that, and when my next leave begins")
        await card(page).get_by_role("button", name="Change").click()
        changed = card(page).get_by_role("button", name="Approve as changed")
        await expect(changed).to_be_in_viewport(ratio=1)
        assert not await changed.evaluate(COVERED), f"covered by what is sent later at {width} px"
        await card(page).get_by_role("button", name="Back").click()
        await page.locator(".foot .notice").get_by_role("button", name="Cancel").click()
        await question(page).fill("")

    await card(page).get_by_role("button", name="Change").click()
    await card(page).get_by_label("Days").evaluate(COMPOSED_ESCAPE)
    first_day = card(page).get_by_label(re.compile("First day", re.IGNORECASE))
    assert await first_day.get_attribute("type") == "date"
    days = card(page).get_by_label(re.compile("days", re.IGNORECASE))
    sent = []
    page.on("request", lambda request: sent.append(request.url) if "/approvals/" in request.url else None)
    for wrong, fault in (
        ("three", "must be a whole number"),
        ("1.5", "must be a whole number"),
        ("", "must be a whole number"),
        ("0", "must be 1 or more"),
    ):
        await days.fill(wrong)
        await expect(card(page)).to_contain_text(fault)
        await card(page).get_by_role("button", name="Approve as changed").click()
    assert sent == []

    await days.fill("2")
    await card(page).get_by_role("button", name="Approve as changed").click()
    await expect(prose(page)).to_have_text("Applied.")
    await expect(page.locator("details.tool-ok")).to_contain_text('"days":2')


async def test_nothing_that_was_typed_is_lost_and_each_conversation_has_an_address(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(
        AIMessage("one answer"),
        AIMessage("another answer"),
        ServiceError(GraphCode.MODEL_CALL_FAILED, "down"),
    )
    await lasting_agent.asked(page, "The first conversation")
    await answered(page)
    await expect(page).to_have_url(re.compile("#conversation="))
    first = page.url
    await question(page).fill("half a thought")
    await page.get_by_role("button", name="New conversation").click()
    await expect(question(page)).to_have_value("")
    await answer_to(page, "The second conversation")
    await expect(page).to_have_title(re.compile("The second conversation"))
    await page.go_back()
    await expect(questions(page)).to_have_text(["The first conversation"])
    await expect(question(page)).to_have_value("half a thought")
    await page.go_forward()
    await expect(questions(page)).to_have_text(["The second conversation"])
    await page.goto(first)
    await page.reload()
    await expect(questions(page)).to_have_text(["The first conversation"])

    await page.route("**/ag-ui/agent", lambda route: route.abort())
    await ask(page, "Are you there?")
    await expect(page.locator(".refusal")).to_contain_text("could not be reached")
    await expect(question(page)).to_have_value("Are you there?")
    await page.reload()
    await expect(question(page)).to_have_value("Are you there?")
    await page.unroute("**/ag-ui/agent")
    await question(page).press("Enter")
    await expect(page.get_by_role("article", name="Agent").last).to_contain_text(
        re.compile("The language model could not be reached.*Code: model_call_failed", re.DOTALL)
    )
    lasting_agent.will_say(AIMessage("Here I am."))
    await page.get_by_role("button", name="Continue").click()
    await expect(prose(page)).to_have_text("Here I am.")
    await expect(questions(page)).to_have_text(["The first conversation", "Are you there?"])


async def test_waiting_approval_is_seen_in_another_tab_and_said_where_it_is_allowed(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    await browser_context.context.grant_permissions(["notifications"], origin=PAGE.rstrip("/"))
    lasting_agent.will_say(APPLIES, AIMessage("Applied."))
    await page.add_init_script(
        """window.shown = [];
        window.Notification = class extends EventTarget {
          static permission = 'granted';
          constructor(title, { body }) { super(); window.shown.push(body); }
        };
        Object.defineProperty(document, 'visibilityState', { get: () => window.looks ?? 'visible' });"""
    )
    await lasting_agent.open_page(page)
    await page.evaluate("window.looks = 'hidden'")
    await ask(page, APPLY)
    await card(page).wait_for()
    await expect(page).to_have_title(re.compile(r"^\(1\) "))
    assert await page.locator("link[rel=icon]").get_attribute("href") == "icon-waiting.svg"
    await card(page).get_by_role("button", name="Approve").click()
    await expect(prose(page)).to_have_text("Applied.")
    await expect(page).to_have_title(re.compile(r"^\(1\) "))
    assert json.dumps(await page.evaluate("window.shown")) == json.dumps(
        ["The agent waits for your approval.", "An answer is ready."]
    )
    await page.evaluate("window.looks = 'visible'; document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page).to_have_title(re.compile("^Apply"))


async def test_question_that_is_given_back_before_its_failure_was_drawn_is_in_the_field_again(
    page: Page, lasting_agent: LastingAgent
) -> None:
    async def lose_the_request(route: Route) -> None:
        await page.evaluate("() => { held = []; requestAnimationFrame = (frame) => held.push(frame); }")
        await route.abort()

    await lasting_agent.open_page(page)
    await page.route("**/ag-ui/agent", lose_the_request)
    await ask(page, "Are you there?")
    await expect(question(page)).to_have_value("Are you there?")
    await page.evaluate("() => held.forEach((frame) => frame())")
    await expect(page.locator(".refusal")).to_contain_text("could not be reached")
    await expect(questions(page)).to_have_count(0)
