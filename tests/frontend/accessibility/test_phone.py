"""The page on a phone of 375 px, in a real browser."""

from typing import Any

import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage
from playwright.async_api import Page, Route, expect

from tests.frontend.chat_page import COVERED, ENTERPRISE, WEATHER, answer_to, answered, ask, question
from tests.frontend.lasting_agent import APPLY, LastingAgent, card, prose
from tests.graph.scripted_model import DONE
from tests.leave_application import APPLIES

LEAVE = {**ENTERPRISE, "tool": "leave_balance", "service": "leave", "call_id": "call_3"}


@pytest_asyncio.fixture(loop_scope="session")
async def scrolled(signed_in: Page, scripted_agent: Any) -> Page:
    """The end of a long conversation, whose last answer used services in three ways."""
    await signed_in.set_viewport_size({"width": 375, "height": 667})
    calls = [(WEATHER, True, True), (ENTERPRISE, True, True), (LEAVE, False, False)]
    events = [
        {"type": "tool_finished", **call, "ok": ok, "called": called, "duration_ms": 5}
        for call, ok, called in calls
    ]
    scripted_agent.will_answer(*({"agent_event": event} for event in events), text="A long answer.\n\n" * 60)
    await answer_to(signed_in, "everything")
    return signed_in


async def test_the_chain_stays_below_the_bar_on_one_line(scrolled: Page):
    bar = await scrolled.locator("header.bar").bounding_box()
    strip = await scrolled.locator(".chain").bounding_box()
    assert bar is not None
    assert strip is not None
    assert await scrolled.evaluate("scrollY") > 1000
    assert bar["y"] == 0
    assert strip["y"] == bar["height"], "old text shows between bar and strip"
    assert strip["height"] < 50
    assert (strip["x"], strip["width"]) == (0, 375)
    await expect(scrolled.locator(".chain .short .badge")).to_have_count(3)


async def test_the_opened_chain_is_in_sight_moves_nothing_and_folds_by_escape(scrolled: Page):
    before = await scrolled.evaluate("[scrollY, document.documentElement.scrollHeight]")
    await scrolled.locator(".chain summary").click()
    panel = await scrolled.locator(".chain .panel").bounding_box()
    assert panel is not None
    assert panel["y"] >= 0
    assert panel["y"] + panel["height"] <= 667
    await expect(scrolled.get_by_text("verified your access token")).to_be_in_viewport()
    assert await scrolled.evaluate("[scrollY, document.documentElement.scrollHeight]") == before
    await scrolled.keyboard.press("Escape")
    await expect(scrolled.locator(".chain .panel")).to_be_hidden()


async def test_menu_covers_what_is_below_the_bar(scrolled: Page):
    await scrolled.get_by_title("More").click()
    entries = scrolled.locator(".menu .panel").locator("button:visible, label")
    assert await entries.count() > 3
    assert [await entry.inner_text() for entry in await entries.all() if await entry.evaluate(COVERED)] == []


async def test_title_of_an_approval_names_the_tool_and_is_in_sight_with_the_buttons(
    page: Page, lasting_agent: LastingAgent
):
    await page.set_viewport_size({"width": 320, "height": 568})
    lasting_agent.will_say(DONE, APPLIES, DONE)
    await lasting_agent.asked(page, "Hello")
    await answered(page)
    await ask(page, APPLY)
    heading = card(page).get_by_role("heading")
    await expect(heading).to_have_text("Apply for leave · the leave service on your behalf")
    await expect(heading).to_be_in_viewport(ratio=1)
    for part in (heading, card(page).get_by_role("button", name="Approve", exact=True)):
        assert not await part.evaluate(COVERED)


async def test_a_wide_table_shows_that_it_scrolls_and_scrolls_with_the_keyboard(
    signed_in: Page, scripted_agent: Any
):
    await signed_in.set_viewport_size({"width": 375, "height": 667})
    await signed_in.emulate_media(color_scheme="dark")  # where a shadow is seen least
    wide = "| " + " | ".join(f"column {n}" for n in range(9)) + " |\n|" + "---|" * 9 + "\n|" + " value |" * 9
    scripted_agent.will_answer(text=f"{wide}\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    answer = await answer_to(signed_in, "a table")
    table = answer.get_by_role("region", name="Table").first
    shadows = await edge_darkness(signed_in, table)
    assert shadows["right"] > 10, "the cut edge looks like any other"
    assert shadows["left"] < 3
    await table.focus()
    for _ in range(40):
        await signed_in.keyboard.press("ArrowRight")
    await signed_in.wait_for_function(
        "(table) => table.scrollLeft + table.clientWidth >= table.scrollWidth - 1",
        arg=await table.element_handle(),
    )
    shadows = await edge_darkness(signed_in, table)
    assert shadows["left"] > 10
    assert shadows["right"] < 3
    narrow = await edge_darkness(signed_in, answer.get_by_role("region", name="Table").last)
    assert max(narrow.values()) < 3, "a table that fits has no shadow"


async def edge_darkness(page: Page, table: Any) -> dict[str, float]:
    """How much darker the bottom row is at each edge than in the middle, of 255."""
    picture = (await table.screenshot()).hex()
    return await page.evaluate(  # type: ignore[no-any-return]  # what its JavaScript returns
        """async (hex) => {
          const bytes = Uint8Array.from(hex.match(/../g), (pair) => parseInt(pair, 16));
          const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
          const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
          const context = canvas.getContext('2d');
          context.drawImage(bitmap, 0, 0);
          const at = (x) => context.getImageData(x, bitmap.height - 6, 1, 1).data[1];
          const middle = at(Math.round(bitmap.width / 2));
          return { left: middle - at(4), right: middle - at(bitmap.width - 5) };
        }""",
        picture,
    )


async def test_at_a_zoom_of_400_percent_bar_and_composer_stay_and_most_is_for_the_answer(
    page: Page, lasting_agent: LastingAgent
):
    await page.set_viewport_size({"width": 320, "height": 256})  # of a window of 1280 by 1024
    lasting_agent.will_say(AIMessage("A long answer.\n\n" * 60))
    await lasting_agent.asked(page, "everything")
    await answered(page)
    for language, code in (("English", "en"), ("中文", "zh")):
        if code != "en":
            await page.get_by_role("banner").get_by_role("button", name=language).click()
        await expect(page.locator("html")).to_have_attribute("lang", code)
        for top, part in ((0, ".asked"), (300, ".prose"), (600, ".prose"), (100_000, ".answer")):
            await page.evaluate(f"document.documentElement.scrollTop = {top}")
            # At once: between two questions the page may be drawn again.
            place = "(part) => document.querySelector(part).getBoundingClientRect().toJSON()"
            bar, foot = await page.evaluate(f"['header.bar', '.foot'].map({place})")
            assert bar["y"] == 0
            assert foot["y"] + foot["height"] <= 256
            assert foot["y"] - bar["height"] > 256 * 0.6, (language, top)
            await expect(page.locator("#question")).to_be_in_viewport(ratio=1)
            seen = f"document.elementFromPoint(120, 130)?.closest('{part}')"
            assert await page.evaluate(f"Boolean({seen})"), (language, top)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_menu_of_a_low_window_can_be_scrolled_to_its_end(page: Page, lasting_agent: LastingAgent):
    await page.set_viewport_size({"width": 320, "height": 256})
    await lasting_agent.open_page(page)
    await page.get_by_title("More").click()
    last = page.locator(".menu .panel label").last
    await last.scroll_into_view_if_needed()
    await expect(last).to_be_in_viewport(ratio=1)


@pytest.mark.promise("seen-before-yes")
async def test_at_a_zoom_of_400_percent_a_typed_yes_approves_what_is_read_beside_it(
    page: Page, lasting_agent: LastingAgent
):
    await page.set_viewport_size({"width": 320, "height": 256})
    lasting_agent.will_say(DONE, APPLIES, AIMessage("Applied."))
    await lasting_agent.asked(page, "Hello")
    await answered(page)
    await ask(page, APPLY)
    await card(page).wait_for()
    for part in (card(page).get_by_role("heading"), card(page).locator(".arguments")):
        await expect(part).to_be_in_viewport(ratio=0.98)
        assert not await part.evaluate(COVERED)
    offered = page.get_by_role("button", name="Approve the call above")
    await question(page).press_sequentially("yes")
    for part in (card(page).get_by_role("heading"), card(page).locator(".arguments"), offered):
        await expect(part).to_be_in_viewport(ratio=0.98)
        assert not await part.evaluate(COVERED)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/approvals/" in request.url else None)
    await page.evaluate("document.documentElement.scrollTop = 0")
    await expect(card(page).locator(".arguments")).not_to_be_in_viewport()
    await offered.click()
    await expect(card(page).locator(".arguments")).to_be_in_viewport(ratio=0.98)
    assert sent == []
    await offered.click()
    await expect(prose(page)).to_have_text("Applied.")
    assert len(sent) == 1


async def test_sign_of_an_approval_stands_beside_its_title(page: Page, lasting_agent: LastingAgent):
    await page.set_viewport_size({"width": 320, "height": 568})
    lasting_agent.will_say(APPLIES)
    await lasting_agent.asked(page, APPLY)
    heading = card(page).get_by_role("heading")
    sign = await heading.locator("> .icon").bounding_box()
    title = await heading.locator(".tool-title").bounding_box()
    assert sign is not None
    assert title is not None
    assert title["y"] <= sign["y"] + sign["height"] / 2 <= title["y"] + title["height"]
    assert sign["x"] + sign["width"] <= title["x"]


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_name_of_the_user_is_whole_beside_what_waits_for_them(
    page: Page, lasting_agent: LastingAgent, language: str
):
    await page.set_viewport_size({"width": 320, "height": 568})
    lasting_agent.will_say(APPLIES)
    await lasting_agent.asked(page, APPLY)
    await expect(card(page)).to_be_visible()
    if language == "zh":
        await page.get_by_role("button", name="中文").click()
    await expect(page.locator(".waiting-count")).to_have_text("1")
    shown = await page.locator(".account strong").evaluate("(name) => [name.scrollWidth, name.clientWidth]")
    assert shown[0] <= shown[1]
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def test_new_conversation_begins_with_its_title_in_sight(scrolled: Page):
    await scrolled.set_viewport_size({"width": 375, "height": 480})
    await scrolled.get_by_role("button", name="New conversation").click()
    title = scrolled.get_by_role("heading", name="What can I do for you?")
    await expect(title).to_be_in_viewport(ratio=1)
    assert not await title.evaluate(COVERED)
    await expect(scrolled.get_by_role("button", name="Go to the latest")).to_be_hidden()


async def test_what_is_written_scrolls_nothing(scrolled: Page):
    await scrolled.evaluate("document.documentElement.scrollTop = 200")
    await question(scrolled).press_sequentially("a question")
    assert await scrolled.evaluate("document.documentElement.scrollTop") == 200


async def test_at_a_zoom_of_400_percent_a_question_that_was_not_sent_is_in_sight_with_the_reason(
    page: Page, lasting_agent: LastingAgent
):
    await page.set_viewport_size({"width": 320, "height": 256})
    lasting_agent.will_say(AIMessage("A long answer.\n\n" * 60))
    await lasting_agent.asked(page, "everything")
    await answered(page)
    await page.route("**/ag-ui/agent", lambda route: route.abort())
    await ask(page, "again")
    for part in (page.locator(".refusal .symptom"), question(page)):
        await expect(part).to_be_in_viewport(ratio=0.98)
        assert not await part.evaluate(COVERED)


@pytest.mark.promise("seen-before-yes")
async def test_a_long_title_of_an_argument_leaves_its_value_in_sight(page: Page, lasting_agent: LastingAgent):
    async def long_titles(route: Route) -> None:
        response = await route.fetch()
        text = (await response.text()).replace("First day", f"First day of the {'very ' * 9}long leave")
        await route.fulfill(response=response, body=text)

    await page.route("**/services", long_titles)
    await page.set_viewport_size({"width": 320, "height": 568})
    lasting_agent.will_say(APPLIES, DONE)
    await lasting_agent.asked(page, APPLY)
    await expect(card(page).locator(".arguments")).to_contain_text("very long leave")

    async def in_one_line(arguments: Any) -> bool:
        """Whether the last argument, a date, is whole, and on one line."""
        value = arguments.locator("dd").last
        height, width, at_hand = await value.evaluate(
            """(value) => {
              const words = document.createRange();
              words.selectNodeContents(value);
              const { height, right } = words.getBoundingClientRect();
              return [height, right, value.parentElement.getBoundingClientRect().right];
            }"""
        )
        return bool(height < 30 and width <= at_hand)

    assert await in_one_line(card(page).locator(".arguments"))
    await card(page).get_by_role("button", name="Approve").click()
    await expect(prose(page)).to_contain_text("done")
    await page.get_by_title("More").click()
    await page.get_by_role("button", name="What the agent did for you").click()
    done = page.get_by_role("dialog")
    await done.locator("summary").first.click()
    assert await in_one_line(done.locator(".arguments"))
    assert await done.evaluate("(view) => view.scrollWidth <= view.clientWidth")
