"""The card offers to approve more than one call, where the policy does."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.frontend import reports
from tests.frontend.axe import NARROW_IN_THE_DARK, violations
from tests.frontend.chat_page import ask
from tests.frontend.lasting_agent import LastingAgent, card
from tests.graph.scripted_model import DONE, calls

GEO = calls(("maps_geo", {"address": "Hangzhou"}))


async def test_card_shows_bounds_and_time_before_more_calls_are_approved(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(GEO, DONE, GEO, DONE)
    await lasting_agent.asked(page, "Where is it?")
    await card(page).get_by_role("button", name="Approve more calls").click()
    await expect(card(page)).to_contain_text("Further calls of “Find an address on the map” are then made")
    await expect(card(page).get_by_label("How long").locator("option")).to_contain_text(
        ["15 minutes", "60 minutes", "2 hours"]
    )
    await expect(card(page).get_by_label("Where")).to_have_value("here")
    await expect(card(page).locator(".fields")).to_contain_text("Address: Hangzhou")
    await card(page).get_by_role("button", name="Back").click()
    await card(page).get_by_role("button", name="Approve more calls").click()
    await card(page).get_by_role("button", name="Approve these calls").click()
    await expect(page.get_by_role("article", name="Agent")).to_contain_text("done")
    [grant] = (await lasting_agent.ask("GET", "/grants")).json()["grants"]
    assert (grant["bounds"], grant["thread_id"] is None) == ({"address": {"equal": "Hangzhou"}}, False)

    await ask(page, "And now?")
    await expect(page.get_by_role("article", name="Agent").last).to_contain_text("done")
    await expect(card(page)).to_have_count(0)


async def test_card_shows_what_the_conversation_has_read_that_the_call_could_carry(
    page: Page, lasting_agent: LastingAgent
) -> None:
    distance = calls(("maps_distance", {"origins": "120.1,30.2", "destination": "121.4,31.2"}))
    lasting_agent.will_say(distance, calls(("maps_weather", {"city": "Ulm"})), DONE)
    await lasting_agent.asked(page, "How far is it?")
    await expect(card(page)).to_contain_text("amap.maps_distance: confidential, untrusted")


@pytest.mark.promise("seen-before-yes")  # an argument has its own name, and its title beside it
async def test_bounds_are_narrowed_before_more_is_approved_and_a_grant_is_withdrawn(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(reports.PRINT, DONE)
    await lasting_agent.asked(page, "Print it")
    await card(page).get_by_role("button", name="Approve more calls").click()
    await expect(card(page).get_by_label("pages: to")).to_be_hidden()
    await card(page).get_by_label("Which calls").select_option("bounds")
    for label, value, fault in (
        ("pages: to", "600", "“pages: to” must be 500 or less."),
        ("pages: from", "60", "“pages: from” must be 50 or less."),
        (f"{reports.PROJECT}: begins with", "Q", f"“{reports.PROJECT}: begins with” must begin with “P-”."),
    ):
        field = card(page).get_by_label(label)
        before = await field.input_value()
        await field.fill(value)
        await card(page).get_by_role("button", name="Approve these calls").click()
        await expect(card(page)).to_contain_text(fault)
        await expect(field).to_be_focused()
        await field.fill("50" if label == "pages: to" else before)
    for name in ("A4", "A5", "A6"):
        await card(page).get_by_label(name).uncheck()
    await card(page).get_by_role("button", name="Approve these calls").click()
    await expect(card(page)).to_contain_text("Choose one value or more.")
    assert (await lasting_agent.ask("GET", "/grants")).json() == {"grants": []}
    await card(page).get_by_label("A5").check()
    await card(page).get_by_label(f"{reports.PROJECT}: begins with").fill("P-7")
    await card(page).get_by_label("How long").select_option("3600")
    assert await violations(page, NARROW_IN_THE_DARK) == []
    await page.set_viewport_size({"width": 1280, "height": 900})
    await card(page).get_by_role("button", name="Approve these calls").click()
    await expect(page.get_by_role("article", name="Agent")).to_contain_text("done")
    [grant] = (await lasting_agent.ask("GET", "/grants")).json()["grants"]
    assert grant["bounds"] == {
        "pages": {"min": 1, "max": 50}, "paper": {"one_of": ["A5"]}, "project": {"prefix": "P-7"},
    }  # fmt: skip

    await page.get_by_title("More").click()
    await page.get_by_role("button", name="What the agent may do for you").click()
    grants = page.get_by_role("dialog", name="What the agent may do for you")
    for shown in (
        "reports: print_report",
        "pages1 – 50",
        "paperA5",
        "projectP-7…",
        "Only in “Print it”",
        "Calls made: 0.",
    ):
        await expect(grants).to_contain_text(shown)
    for missing in ("The last one", "null"):
        await expect(grants).not_to_contain_text(missing)
    await grants.get_by_text("Amap", exact=True).click()
    for tool, decision in (
        ("Find the address of a point", "another person of “finance” decides"),
        ("Find an address on the map", "asks you"),
        ("Measure a distance", "returns confidential data"),
        ("Weather", "without asking"),
    ):
        await expect(grants.locator(".tools li").filter(has_text=tool).last).to_contain_text(decision)
    assert await violations(page, NARROW_IN_THE_DARK) == []
    await grants.get_by_role("button", name="Withdraw the approval of reports: print_report").click()
    await expect(grants.get_by_role("status")).to_be_focused()
    await expect(grants).to_contain_text("Withdrawn: reports: print_report.")
    assert (await lasting_agent.ask("GET", "/grants")).json() == {"grants": []}


async def test_more_calls_begin_with_the_least_this_conversation_these_arguments_the_shortest_time(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(reports.PRINT, DONE)
    await lasting_agent.asked(page, "Print it")
    await card(page).get_by_role("button", name="Approve more calls").click()
    async with page.expect_request(lambda request: "/approvals/" in request.url) as sent:
        await card(page).get_by_role("button", name="Approve these calls").click()
    assert json.loads((await sent.value).post_data or "")["lasting"] == {
        "seconds": 900,
        "bounds": {"pages": {"equal": 9}, "paper": {"equal": "A5"}, "project": {"equal": "P-71"}},
    }
    await expect(page.get_by_role("article", name="Agent")).to_contain_text("done")
