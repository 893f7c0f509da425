"""Screen readers read what comes into a live region, and not what appears together with its text."""

from playwright.async_api import Page

from tests.frontend.chat_page import ask
from tests.frontend.lasting_agent import APPLY, LastingAgent, card
from tests.leave_application import APPLIES

ABSENT = """() => [...document.querySelectorAll('[role=status], [role=alert]')]
  .filter((region) => !region.parentElement.closest('[hidden], details:not([open])'))
  .filter((region) => !region.checkVisibility())
  .map((region) => region.outerHTML)"""
"""In the browser: the live regions that screen readers do not know of yet."""
PLACE = """() => [...document.querySelectorAll('[role=status]:empty, [role=alert]:empty')]
  .filter((region) => region.offsetHeight > 1).map((region) => region.outerHTML)"""
"""In the browser: the live regions that take a place although they say nothing."""


async def test_live_regions_are_there_before_they_say_something_and_take_no_place(
    page: Page, lasting_agent: LastingAgent
) -> None:
    absent: dict[str, list[str]] = {}

    async def look(state: str) -> None:
        absent[state] = [*await page.evaluate(ABSENT), *await page.evaluate(PLACE)]

    lasting_agent.will_say(APPLIES)
    await lasting_agent.open_page(page)
    await look("empty conversation")
    await ask(page, APPLY)
    await card(page).wait_for()
    await look("card")
    await card(page).get_by_role("button", name="Change").click()
    await look("card while editing")
    for name in ("What waits for you", "What the agent did for you", "What the agent may do"):
        await page.get_by_title("More").click()
        await page.get_by_role("button", name=name).click()
        view = page.get_by_role("dialog")
        await view.wait_for()
        await look(name)
        await page.keyboard.press("Escape")
        await view.wait_for(state="detached")
    assert {state: regions for state, regions in absent.items() if regions} == {}
