"""The card offers to approve more than one call, where the policy does."""

from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.chat_page import ask
from tests.frontend.lasting_agent import LastingAgent, card
from tests.graph.scripted_model import DONE, calls

GEO = calls(("maps_geo", {"address": "Hangzhou"}))


async def test_card_shows_bounds_and_time_before_more_calls_are_approved(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(GEO, DONE, GEO, DONE)
    await lasting_agent.open_page(page)
    await ask(page, "Where is it?")
    await card(page).get_by_role("button", name="Approve more calls").click()
    await expect(card(page)).to_contain_text("For 120 minutes, calls in all of your conversations")
    await expect(card(page).locator(".fields .arguments")).to_have_text("addressHangzhou")
    await card(page).get_by_role("button", name="Back").click()
    await card(page).get_by_role("button", name="Approve more calls").click()
    await card(page).get_by_role("button", name="Only in this conversation").click()
    await expect(page.get_by_role("article", name="Agent")).to_contain_text("done")
    [grant] = (await lasting_agent.ask("GET", "/grants")).json()["grants"]
    assert (grant["bounds"], grant["thread_id"] is None) == ({"address": {"equal": "Hangzhou"}}, False)

    await ask(page, "And now?")
    await expect(page.get_by_role("article", name="Agent").last).to_contain_text("done")
    await expect(card(page)).to_have_count(0)


async def test_card_shows_what_the_conversation_has_read_that_the_call_could_carry(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    distance = calls(("maps_distance", {"origins": "120.1,30.2", "destination": "121.4,31.2"}))
    lasting_agent.will_say(distance, calls(("maps_weather", {"city": "Ulm"})), DONE)
    await lasting_agent.open_page(page)
    await ask(page, "How far is it?")
    await expect(card(page)).to_contain_text("amap.maps_distance: confidential, untrusted")
