"""axe-core over the list of conversations and the card of an approval, light and dark, wide and narrow."""

from langchain_core.messages import AIMessage
from playwright.async_api import Page

from tests.frontend.axe import NARROW_IN_THE_DARK, violations
from tests.frontend.chat_page import answer_to, ask
from tests.frontend.lasting_agent import APPLY, LastingAgent, card, prose
from tests.leave_application import APPLIES

WIDE = [("light", 1280), ("dark", 1280)]
PHONE = [("light", 360), ("dark", 360)]


async def test_no_state_of_list_and_card_violates_a_rule(page: Page, lasting_agent: LastingAgent) -> None:
    states: dict[str, list[str]] = {}
    lasting_agent.will_say(AIMessage("Hello."), APPLIES, AIMessage("You declined."))
    await lasting_agent.open_page(page)
    states["empty conversation, empty list"] = await violations(page, WIDE)
    await answer_to(page, "Hello")
    await page.get_by_role("button", name="New conversation").click()
    await ask(page, APPLY)
    await card(page).wait_for()
    states["card"] = await violations(page, NARROW_IN_THE_DARK)

    button = card(page).get_by_role("button", name="Change")
    await button.click()
    await card(page).get_by_label("Days").fill("three")
    await card(page).get_by_role("button", name="Approve as changed").click()
    await card(page).get_by_text("must be a whole number such as 3").wait_for()
    states["card while editing"] = await violations(page, WIDE)
    await card(page).get_by_role("button", name="Back").click()
    await card(page).get_by_role("button", name="Decline").click()
    states["card while declining"] = await violations(page, WIDE)
    await page.get_by_role("button", name="中文").click()
    await page.locator(".approval [data-name=decline]").wait_for()
    states["card in Chinese"] = await violations(page, WIDE)
    await page.get_by_role("button", name="English").click()
    await card(page).get_by_role("button", name="Decline").click()
    await card(page).get_by_role("button", name="Decline").click()
    await prose(page).wait_for()
    states["answer after a declined call"] = await violations(page, WIDE)

    await page.set_viewport_size({"width": 1280, "height": 800})
    rows = page.locator(".conversations li")
    await rows.first.get_by_role("button", name="Rename").click()
    states["list while renaming"] = await violations(page, WIDE)
    await page.set_viewport_size({"width": 360, "height": 800})
    await page.locator(".conversations > summary").click()
    await page.get_by_label("New title").press("Escape")
    await rows.last.get_by_role("button", name="Delete").click()
    await page.get_by_text("was deleted").wait_for()
    states["list over the conversation on a phone, with undo"] = await violations(page, PHONE)
    await page.get_by_label("Search conversations").fill("zzz")
    await page.get_by_text("No conversation contains these words.").wait_for()
    states["list with a search"] = await violations(page, PHONE)

    assert {state: found for state, found in states.items() if found} == {}
