"""The server of a tool asks its user on the page: a form with fields of its types, or an address to open."""

from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.axe import NARROW_IN_THE_DARK, violations
from tests.frontend.chat_page import ask
from tests.frontend.lasting_agent import LastingAgent, card, prose
from tests.graph.scripted_model import DONE, calls

PAY = calls(("pay", {"amount": 5}))
KINDS = [{"const": "m", "title": "By mail"}, {"const": "c", "title": "By courier"}]
SCHEMA = {
    "type": "object",
    "properties": {
        "copies": {"type": "integer", "title": "Copies", "maximum": 3, "description": "Three at most"},
        "name": {"type": "string", "title": "Your name"},
        "mail": {"type": "string", "format": "email", "title": "Address"},
        "way": {"type": "string", "oneOf": KINDS},
        "colour": {
            "type": "string",
            "enum": ["red", "green"],
            "enumNames": ["Red", "Green"],
            "default": "red",
        },
        "day": {"type": "string", "format": "date"},
        "insured": {"type": "boolean", "default": True},
        "extras": {"type": "array", "maxItems": 1, "items": {"enum": ["gift wrap", "card"]}},
    },
    "required": ["copies", "name", "colour"],
}
FORM = {"message": "How many copies?\n<b>Now</b>", "requestedSchema": SCHEMA}
URL = "https://login.xn--bnk-sna.example/connect?ticket=1"
VISIT = {"mode": "url", "message": "Sign in there", "url": URL}


async def test_form_of_a_server_is_filled_in_with_fields_of_its_types(
    page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.bank.question, lasting_agent.bank.answered = FORM, []
    lasting_agent.will_say(PAY, DONE)
    await lasting_agent.asked(page, "Pay")
    asks = card(page)
    await expect(asks).to_contain_text("bank asks you something")
    await expect(asks).to_contain_text("No question here asks for a password")
    await expect(asks.locator("blockquote")).to_have_text("How many copies?\n<b>Now</b>")
    await expect(page.locator("details.tool-waiting")).to_contain_text("waits for your answer")
    assert await violations(page, NARROW_IN_THE_DARK) == []
    for label, wrong, fault, right in (
        ("Copies", "4", "“Copies” must be 3 or less.", "2"),
        ("Your name", "", "“Your name” must be filled in.", "Zoë"),
        ("Address", "anybody", "“Address” must be an e-mail address.", ""),
    ):
        await asks.get_by_label(label).fill(wrong)
        await asks.get_by_role("button", name="Send this answer").click()
        await expect(asks).to_contain_text(fault)
        await expect(asks.get_by_label(label)).to_be_focused()
        await asks.get_by_label(label).fill(right)
    for extra in ("gift wrap", "card"):
        await asks.get_by_label(extra).check()
    await asks.get_by_role("button", name="Send this answer").click()
    await expect(asks).to_contain_text("“extras” takes 1 choices at most.")
    await asks.get_by_label("card").uncheck()
    await asks.get_by_label("way").select_option("By courier")
    await asks.get_by_label("colour").select_option("Green")
    assert lasting_agent.bank.answered == []
    await asks.get_by_role("button", name="Send this answer").click()
    await expect(prose(page)).to_have_text("done")
    content = {
        "copies": 2,
        "name": "Zoë",
        "way": "c",
        "colour": "green",
        "insured": True,
        "extras": ["gift wrap"],
    }
    assert lasting_agent.bank.answered == [{"q": {"action": "accept", "content": content}}]


async def test_address_of_a_server_is_shown_whole_with_its_host_and_opened_by_a_click_alone(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.bank.question, lasting_agent.bank.answered = VISIT, []
    lasting_agent.will_say(PAY, DONE, PAY, DONE)
    await lasting_agent.asked(page, "Pay")
    await expect(card(page).locator(".address")).to_have_text(URL)
    await expect(card(page).locator("mark")).to_have_text("login.xn--bnk-sna.example")
    await expect(card(page)).to_contain_text("can look like others")
    assert await violations(page, NARROW_IN_THE_DARK) == []
    link = card(page).get_by_role("link", name="Open login.xn--bnk-sna.example")
    await expect(link).to_have_attribute("href", URL)
    await expect(link).to_have_attribute("rel", "noopener noreferrer")
    assert not any("bnk" in origin for origin in browser_context.origins)
    await page.set_viewport_size({"width": 1280, "height": 900})
    await card(page).get_by_role("button", name="Not now").click()
    await expect(prose(page)).to_have_text("done")
    await ask(page, "Again")
    await card(page).get_by_role("button", name="Continue").click()
    await expect(prose(page)).to_have_text(["done"])
    assert lasting_agent.bank.answered == [{"q": {"action": "cancel"}}, {"q": {"action": "accept"}}]
