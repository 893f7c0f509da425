"""What the agent did for the user, over their conversations; and a "yes" that is typed while a call waits."""

import csv
import re
from itertools import count
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage
from playwright.async_api import Page, Route, expect

from tests.frontend.axe import NARROW_IN_THE_DARK, violations
from tests.frontend.chat_page import ask, question
from tests.frontend.lasting_agent import APPLY, LastingAgent, card, prose
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import APPLIES

WEATHER = calls(("maps_weather", {"city": "Hangzhou"}))


def done(page: Page) -> Any:
    return page.get_by_role("dialog", name="What the agent did for you")


async def opened(page: Page) -> Any:
    await page.get_by_title("More").click()
    await page.get_by_role("button", name="What the agent did for you").click()
    return done(page)


async def saved(page: Page, folder: Path) -> list[list[str]]:
    """The rows of the table that the page saves."""
    async with page.expect_download() as saving:
        await done(page).get_by_role("button", name="Save as a table").click()
    file = await saving.value
    assert re.fullmatch(r"What the agent did for you \d{4}-\d\d-\d\d\.csv", file.suggested_filename)
    await file.save_as(folder / "calls.csv")
    with (folder / "calls.csv").open(encoding="utf-8-sig", newline="") as table:
        return list(csv.reader(table))


async def test_typed_yes_offers_to_approve_the_call_and_approves_nothing_by_itself(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(APPLIES, AIMessage("Applied."))
    await lasting_agent.asked(page, APPLY)
    await card(page).wait_for()
    offered = page.get_by_role("button", name="Approve the call above")
    await question(page).fill("yes, but shorter")
    await expect(page.get_by_role("button", name="Send after you have decided")).to_be_visible()
    await expect(offered).to_be_hidden()
    await question(page).fill("Yes!")
    await expect(offered).to_be_visible()
    await question(page).press("Enter")
    await expect(page.locator(".foot .notice")).to_contain_text("after you have decided: “Yes!”")
    assert len((await lasting_agent.ask("GET", "/approvals")).json()["own"]) == 1
    await page.get_by_role("button", name="Cancel").click()
    await question(page).fill("Yes!")
    await offered.click()
    await expect(prose(page)).to_have_text("Applied.")
    await expect(page.get_by_role("article", name="You")).to_have_count(1)
    await expect(question(page)).to_have_value("")


async def test_typed_yes_never_means_arguments_that_the_card_does_not_show(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(APPLIES, AIMessage("Applied."))
    await lasting_agent.asked(page, APPLY)
    await card(page).wait_for()
    offered = page.get_by_role("button", name="Approve the call above")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "/approvals/" in request.url else None)
    await question(page).fill("Yes!")
    await expect(offered).to_be_visible()
    await page.evaluate(  # in one step: before the composer learns of it
        """() => {
          document.querySelector('.approval [data-name=edit]').click();
          document.querySelector('.composer .choice .quiet:not([hidden])').click();
        }"""
    )
    await expect(offered).to_be_hidden()
    await expect(card(page)).to_be_focused()
    await expect(question(page)).to_have_value("Yes!")
    await card(page).get_by_label("Days").fill("2")
    await question(page).fill("")
    await question(page).fill("Yes!")
    await expect(page.get_by_role("button", name="Send after you have decided")).to_be_visible()
    await expect(offered).to_be_hidden()
    assert sent == []
    await card(page).get_by_role("button", name="Back").click()
    await expect(offered).to_be_visible()
    await offered.click()
    await expect(prose(page)).to_have_text("Applied.")
    assert len(sent) == 1


async def test_bell_counts_the_users_own_call_that_waits(page: Page, lasting_agent: LastingAgent) -> None:
    lasting_agent.will_say(APPLIES, AIMessage("Applied."))
    await lasting_agent.asked(page, APPLY)
    await page.get_by_role("button", name="Waiting for your decision: 1").click()
    await page.get_by_role("dialog").get_by_role("button", name=APPLY).click()
    await card(page).get_by_role("button", name="Approve").click()
    await expect(prose(page)).to_have_text("Applied.")
    await expect(page.get_by_role("button", name="Waiting for your decision")).to_be_hidden()


async def test_calls_of_all_conversations_are_listed_by_day_filtered_and_saved(
    page: Page, other_device: Page, lasting_agent: LastingAgent, tmp_path: Path
) -> None:
    lasting_agent.will_say(WEATHER, DONE, APPLIES, DONE)
    await lasting_agent.asked(page, "The weather?")
    await expect(prose(page)).to_contain_text("done")
    await page.get_by_role("button", name="New conversation").click()
    await ask(page, APPLY)
    await card(page).get_by_role("button", name="Approve").click()
    await expect(prose(page)).to_contain_text("done")

    rows = (await opened(page)).locator("li.past")
    await expect(rows).to_have_count(2)
    applied = rows.filter(has_text="Apply for leave")
    await expect(applied.locator("summary")).to_contain_text(
        "Apply for leave the leave serviceon your behalf"
    )
    await applied.locator("summary").click()
    for shown in ("First day", "Approved by you, ", "with your rights (Human)", "leave.leave_apply"):
        await expect(applied).to_contain_text(shown)
    assert await violations(page, NARROW_IN_THE_DARK) == []
    await done(page).get_by_label("only what may have changed something").check()
    await expect(rows).to_have_count(1)
    await applied.locator("summary").click()
    await saved(page, tmp_path)
    await expect(applied.locator("details")).to_have_attribute("open", "")
    heads, *lines = (tmp_path / "calls.csv").read_text("utf-8-sig").splitlines()
    assert heads.startswith('"When","What","Service","Whose rights"')
    assert [line.split(",")[1:4] for line in lines] == [
        ['"Apply for leave"', '"the leave service"', '"on your behalf"']
    ]
    await done(page).get_by_label("only what may have changed something").uncheck()
    await done(page).get_by_label("Service").select_option(label="Amap")
    await expect(rows).to_have_count(1)
    await rows.first.locator("summary").click()
    await rows.first.get_by_role("button", name="The weather?").click()
    await expect(page.get_by_role("article", name="You")).to_have_text(["The weather?"])

    bob = await lasting_agent.open_page(other_device, "bob")
    await expect(await opened(bob)).to_contain_text("Nothing was called for you yet.")


def past_call(number: int) -> dict[str, Any]:
    """A call of `/calls`, with an argument that no browser's number can hold."""
    return {
        "call_id": f"call_{number}",
        "thread_id": "t",
        "thread_title": "Payments",
        "at": f"2026-01-01T00:{59 - number % 60:02}:00Z",
        "service": "bank",
        "tool": "pay",
        "arguments": {"amount": 12345678901234567890},
        "display": [{"name": "amount", "label": "amount", "text": "12345678901234567890"}],
        "access_identity": "Human",
        "credential_kind": "access_token",
        "outcome": "ok",
        "replaced": False,
        "decisions": [],
    }


async def test_arguments_have_all_digits_and_the_focus_goes_from_a_button_that_leaves_to_the_last_call(
    page: Page, lasting_agent: LastingAgent, tmp_path: Path
) -> None:
    async def two_pages(route: Route) -> None:
        number, following = (1, None) if "before=" in route.request.url else (0, "earlier")
        await route.fulfill(json={"calls": [past_call(number)], "next": following})

    await page.route(re.compile(r"/calls(\?|$)"), two_pages)
    await lasting_agent.open_page(page)
    view = await opened(page)
    earlier = view.get_by_role("button", name="Show earlier calls")
    await earlier.press("Enter")
    await expect(earlier).to_be_hidden()
    last = view.locator("li.past summary").nth(1)
    await expect(last).to_be_focused()
    await last.press("Enter")
    await expect(view.locator("details[open] dd")).to_have_text("12345678901234567890")
    _, *rows = await saved(page, tmp_path)
    assert [row[7] for row in rows] == ['{"amount":12345678901234567890}'] * 2
    await expect(view.locator(".news")).to_have_text("")


async def test_table_that_does_not_have_all_calls_is_said_to_be_cut(
    page: Page, lasting_agent: LastingAgent, tmp_path: Path
) -> None:
    numbers = count()

    async def without_end(route: Route) -> None:
        number = next(numbers)
        await route.fulfill(json={"calls": [past_call(number)], "next": str(number)})

    await page.route(re.compile(r"/calls(\?|$)"), without_end)
    await lasting_agent.open_page(page)
    view = await opened(page)
    assert len(await saved(page, tmp_path)) == 1 + 201
    await expect(view.get_by_role("status")).to_contain_text("Only the newest 201 calls were read")
