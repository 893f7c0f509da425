"""A prepared run on the page: shown whole as the words of its job, and begun if the user accepts it."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.frontend.axe import NARROW_IN_THE_DARK, violations
from tests.frontend.conversations.test_inbox import inbox
from tests.frontend.lasting_agent import LastingAgent, prose

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_question_that_a_client_prepared_is_shown_whole_as_its_words_and_asked_on_approval(
    page: Page, lasting_agent: LastingAgent
) -> None:
    job: Any = {"sub": "app_payroll", "permissions": ("agent.prepare",)}
    long, made = "Read this to its end. " * 20, []
    for question in ("Cancel my leave.", "Apply for my leave."):
        body = {"user": "user_alice01", "question": f"{question} {long}\u202eThe end."}
        made.append((await lasting_agent.ask("POST", "/prepared", body, **job)).json()["id"])
    await lasting_agent.open_page(page)
    await expect(page).to_have_title("(2) IDaaS Agent")
    await page.get_by_role("button", name="Waiting for your decision: 2").click()
    card, other = [
        inbox(page).get_by_role("region", name=re.compile(f"app_payroll has prepared a question .*{verb}"))
        for verb in ("Cancel my leave", "Apply for my leave")
    ]
    await expect(other).to_be_visible()
    await expect(card.get_by_role("definition")).to_be_visible()
    await expect(card.get_by_role("definition")).to_contain_text("\\u202eThe end.")
    await expect(card).to_contain_text("These are the words of app_payroll")
    await expect(card.get_by_role("button")).to_have_text(["Approve", "Decline"])
    assert await violations(page, NARROW_IN_THE_DARK) == []
    await card.get_by_role("button", name="Decline").click()
    await expect(inbox(page).get_by_role("status")).to_have_text(
        "You have declined the question of app_payroll. Nothing runs."
    )
    listed_of_job = (await lasting_agent.ask("GET", "/prepared", **job)).json()["prepared"]
    assert sorted(each["status"] for each in listed_of_job if each["id"] in made) == ["open", "rejected"]

    await page.keyboard.press("Escape")
    await page.evaluate("(id) => { location.hash = `#approval=${id}`; }", made[1])
    await other.get_by_role("button", name="Approve").click()
    await expect(inbox(page)).to_have_count(0)
    await expect(prose(page)).to_contain_text("done")
    await expect(page.get_by_role("article", name="You")).to_contain_text("Prepared by app_payroll:")
    await expect(page).to_have_title(re.compile("^Prepared by app_payroll: Apply for my leave"))
