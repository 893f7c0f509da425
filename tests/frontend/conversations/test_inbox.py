"""What waits for the user: calls of others, decided in the inbox, and their own conversations."""

import re
from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.axe import NARROW_IN_THE_DARK, violations
from tests.frontend.chat_page import ask
from tests.frontend.lasting_agent import LastingAgent, card, listed, prose
from tests.graph.scripted_model import DONE, calls

WHERE = calls(("maps_regeocode", {"location": "120.1,30.2"}))
FINANCE: Any = {"groups": ["finance"]}


def inbox(page: Page) -> Any:
    return page.get_by_role("dialog", name="What waits for you")


async def asked(agent: LastingAgent, page: Page, *others: Any) -> Any:
    """Alice's page waits for another person; the approval."""
    agent.will_say(WHERE, *others, DONE)
    await agent.open_page(page)
    await ask(page, "Where is it?")
    await expect(card(page)).to_contain_text("Another person of “finance” decides")
    [approval] = (await agent.ask("GET", "/approvals")).json()["own"]
    return approval


async def test_call_of_another_person_is_decided_in_the_inbox_and_their_run_goes_on(
    page: Page, other_device: Page, lasting_agent: LastingAgent
) -> None:
    await asked(lasting_agent, page)
    await expect(listed(page).first).to_contain_text("waits for others")
    assert await page.title() == "Where is it? · IDaaS Agent"
    bob = await lasting_agent.open_page(other_device, "bob", **FINANCE)
    await expect(bob).to_have_title("(1) IDaaS Agent")
    await bob.get_by_role("button", name="Waiting for your decision: 1").click()
    question = inbox(bob).get_by_role(
        "region", name="Approval: user_alice01 asks: Find the address of a point (Amap, with a shared key)"
    )
    for shown in (
        "maps_regeocode",
        "Point (longitude, latitude)120.1,30.2",
        "finance",
        "with a shared key",
        "of user_alice01 is informed",
    ):
        await expect(question).to_contain_text(shown)
    await expect(question.get_by_role("button")).to_have_text(["Approve", "Decline"])
    await expect(inbox(bob)).not_to_contain_text("Where is it?")
    assert await violations(bob, NARROW_IN_THE_DARK) == []
    await question.get_by_role("button", name="Approve").click()
    await expect(inbox(bob).get_by_role("status")).to_have_text(
        "You have approved the call of Amap for user_alice01."
    )
    await expect(inbox(bob).get_by_role("status")).to_be_focused()
    await expect(question).to_have_count(0)
    await expect(bob).to_have_title("IDaaS Agent")
    await bob.keyboard.press("Escape")
    await expect(inbox(bob)).to_have_count(0)

    await page.reload()
    await expect(card(page)).to_contain_text("has decided about this call")
    await card(page).get_by_role("button", name="Continue").click()
    await expect(prose(page)).to_contain_text("done")
    await expect(page.locator("details.tool-ok")).to_have_count(1)


async def test_link_shows_exactly_that_call_and_decides_nothing_by_being_opened(
    page: Page, other_device: Page, lasting_agent: LastingAgent
) -> None:
    approval = await asked(lasting_agent, page)
    link = f"#approval={approval['id']}"
    bob = await lasting_agent.open_page(other_device, "bob", link, **FINANCE)
    await expect(inbox(bob).get_by_role("region", name="Approval")).to_have_count(1)
    assert "approval=" not in bob.url
    assert [
        each["id"]
        for each in (await lasting_agent.ask("GET", "/approvals", user="bob", **FINANCE)).json()["asked"]
    ] == [approval["id"]]

    path = f"/approvals/{approval['id']}"
    await lasting_agent.ask("POST", path, {"decision": "reject"}, "bob", **FINANCE)
    await inbox(bob).get_by_role("button", name="Approve").click()
    await expect(inbox(bob)).to_contain_text("This was decided before, or withdrawn.")
    await expect(inbox(bob)).to_contain_text(re.compile("You decided this at .+, with python-httpx/"))
    await bob.evaluate("(link) => { location.hash = link; }", link)
    await expect(inbox(bob)).to_contain_text("This request does not wait for you.")
    await inbox(bob).get_by_role("button", name="Show all that waits for you").click()
    await expect(inbox(bob)).to_contain_text("Nothing waits for you.")


async def test_rejection_by_another_person_reads_as_theirs(page: Page, lasting_agent: LastingAgent) -> None:
    approval = await asked(lasting_agent, page)
    await lasting_agent.ask("POST", f"/approvals/{approval['id']}", {"decision": "reject"}, "bob", **FINANCE)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as one who comes back
    await card(page).get_by_role("button", name="Continue").click()
    await expect(page.locator("details.tool-not_called")).to_contain_text(
        "Another person declined the call of Amap"
    )
    await expect(prose(page)).to_contain_text("done")


async def test_own_request_is_opened_by_its_link_found_in_the_menu_and_withdrawn(
    page: Page, lasting_agent: LastingAgent
) -> None:
    approval = await asked(lasting_agent, page)
    await page.get_by_role("button", name="New conversation").click()
    await page.evaluate("(id) => { location.hash = `#approval=${id}`; }", approval["id"])
    await expect(card(page)).to_be_visible()
    await page.get_by_role("button", name="New conversation").click()
    await page.get_by_title("More").click()
    await page.get_by_role("button", name="What waits for you").click()
    await inbox(page).get_by_role("button", name="Where is it?").click()
    await expect(inbox(page)).to_have_count(0)
    await card(page).get_by_role("button", name="Withdraw the request").click()
    await expect(card(page)).to_have_count(0)
    await expect(page.locator("details.tool-not_called > summary")).to_contain_text(
        re.compile("^Ended by you before a decision; nothing was called Find the address of a point")
    )
    await expect(page.get_by_role("article", name="Agent")).not_to_contain_text("empty")
    assert (await lasting_agent.ask("GET", "/approvals")).json()["own"] == []
