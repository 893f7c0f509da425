"""Conversations and approvals on the page, with the real agent, on two devices and for two users."""

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from playwright.async_api import Page, expect

from agent.commands.sandbox_options import PageGrant, sandbox_page_config
from tests.agent.conftest import running_agent
from tests.frontend.chat_page import PAGE, ask
from tests.frontend.lasting_agent import APPLY, LEAVE_CALL, LastingAgent, card, listed, prose
from tests.frontend.sandbox_sign_in import fill_form
from tests.graph.scripted_model import calls


@pytest.fixture
def agent(sandbox: Any, page_switch: Any, tmp_path: Any) -> Iterator[Any]:
    """An agent that keeps conversations, and the page configured for it."""
    variables = {
        "ACCESS_IDENTITY": "Human",
        "CORS_ALLOWED_ORIGINS": PAGE.rstrip("/"),
        "CONVERSATIONS_URL": f"sqlite:///{tmp_path / 'conversations.db'}",
    }
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_agent(sandbox, **variables))
        page_switch[0].configure(
            sandbox_page_config(
                sandbox.cloud.addresses,
                PageGrant.CODE,
                agent_url=server.url,
                scope="https://agent.sandbox.example|agent.access",
            )
        )
        yield server


async def sign_in(page: Page, sandbox: Any, user: str = "alice") -> None:
    await page.goto(PAGE)
    await page.get_by_role("button", name="Sign in with IDaaS").click()
    await fill_form(page, user, getattr(sandbox.cloud.secrets, f"{user}_password"))
    await page.get_by_label("Your question").wait_for()


async def test_approval_begun_on_one_device_is_decided_on_another(
    browser_context: Any, page: Page, other_device: Page, sandbox: Any, agent: Any
) -> None:
    await sign_in(page, sandbox)
    await ask(page, APPLY)
    await expect(card(page)).to_contain_text("The agent wants to call the leave service")
    await expect(card(page).locator(".arguments")).to_contain_text("days3")
    await expect(card(page)).to_contain_text("your rights (Human)")
    await expect(card(page)).to_contain_text("leave.write")
    await expect(page.locator("details.tool-waiting")).to_contain_text("Waits for your approval")
    await expect(card(page)).to_contain_text(re.compile(r"You can decide for another \d+"))
    await page.close()

    await sign_in(other_device, sandbox)
    await expect(listed(other_device).first).to_contain_text("waits for you")
    await listed(other_device).first.click()
    await card(other_device).get_by_role("button", name="Approve").click()
    answer = other_device.get_by_role("article", name="Agent").last
    await expect(answer).to_contain_text("Applied for 3 days")
    await expect(answer.locator("details.tool-ok")).to_contain_text("on your behalf")
    await expect(card(other_device)).to_have_count(0)


async def test_another_user_of_the_same_browser_sees_none_of_it(
    browser_context: Any, page: Page, sandbox: Any, agent: Any
) -> None:
    await sign_in(page, sandbox)
    await ask(page, APPLY)
    await card(page).wait_for()
    await page.get_by_role("button", name="Sign out").click()
    await sign_in(page, sandbox, "bob")
    await expect(page.locator(".conversations")).to_contain_text("No conversations yet.")
    await expect(page.get_by_role("article", name="You")).to_have_count(0)


async def test_declining_words_reach_the_model_and_nothing_is_called(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(LEAVE_CALL, lambda messages: AIMessage(messages[-1].text))
    await lasting_agent.open_page(page)
    await ask(page, APPLY)
    await card(page).wait_for()
    await page.get_by_label("Your question").fill("Not this week")
    await page.get_by_role("button", name="Decline, and send this").click()
    await expect(prose(page)).to_contain_text("Not this week")
    await expect(page.locator("details.tool-not_called")).to_have_count(1)
    assert lasting_agent.sandbox.cloud.counters.snapshot().get("function_compute:leave", 0) == 0


async def test_changed_arguments_are_what_is_called(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    lasting_agent.will_say(LEAVE_CALL, AIMessage("Applied."))
    await lasting_agent.open_page(page)
    await ask(page, APPLY)
    await card(page).get_by_role("button", name="Change").click()
    await card(page).get_by_label("days", exact=True).fill("0")
    await expect(card(page)).to_contain_text("“days” must be 1 or more.")
    await card(page).get_by_role("button", name="Approve as changed").click()
    await expect(page.locator("details.tool-waiting")).to_have_count(1)
    await card(page).get_by_label("days", exact=True).fill("2")
    await card(page).get_by_role("button", name="Approve as changed").click()
    await expect(page.locator("details.tool-ok")).to_contain_text('"days":2')


async def test_arguments_are_shown_and_sent_exactly(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    days = 12345678901234567890
    call = calls(("leave_apply", {"days": days, "first_day": "2026-11-30", "reason": "\u202eevil\u202c"}))
    lasting_agent.will_say(call, AIMessage("Applied."))
    await lasting_agent.open_page(page)
    await ask(page, APPLY)
    await expect(card(page).locator(".arguments")).to_contain_text(f"days{days}")
    await expect(card(page).locator(".arguments")).to_contain_text("\\u202eevil\\u202c")
    await card(page).get_by_role("button", name="Change").click()
    await card(page).get_by_label("first_day", exact=True).fill("2026-12-07")
    async with page.expect_request(lambda request: "/approvals/" in request.url) as sent:
        await card(page).get_by_role("button", name="Approve as changed").click()
    assert json.loads((await sent.value).post_data)["arguments"] == {
        "days": days, "first_day": "2026-12-07", "reason": "\u202eevil\u202c",
    }  # fmt: skip
    await expect(page.locator("details.tool pre").first).to_contain_text(str(days))
    assert "\u202e" not in await page.locator("main").inner_text()


async def test_conversations_are_renamed_deleted_and_restored(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    await lasting_agent.open_page(page)
    await ask(page, "Call my enterprise service")
    await page.get_by_role("button", name="Ask again").wait_for()
    row = page.locator(".conversations li").first
    await row.get_by_role("button", name=re.compile("^Rename")).click()
    await page.get_by_label("New title").fill("My service")
    async with page.expect_response(lambda response: response.request.method == "PATCH"):
        await page.get_by_role("button", name="Save").click()
    await expect(listed(page).first).to_contain_text("My service")
    await row.get_by_role("button", name=re.compile("^Delete")).click()
    await expect(page.locator(".conversations")).to_contain_text("“My service” was deleted.")
    await expect(page.get_by_role("article", name="You")).to_have_count(0)
    await page.locator(".conversations").get_by_role("button", name="Undo").click()
    await expect(listed(page).first).to_contain_text("My service")
    await expect(page.get_by_role("article", name="You")).to_contain_text("Call my enterprise service")


async def test_refused_deletion_is_shown_and_keeps_the_conversation(
    browser_context: Any, page: Page, lasting_agent: LastingAgent
) -> None:
    await lasting_agent.ask("POST", "/threads", {"title": "stays"})
    await lasting_agent.open_page(page)
    await page.route("**/threads/*", lambda route: route.abort())
    await page.get_by_role("button", name="Delete “stays”").click()
    await expect(page.locator(".conversations").get_by_role("alert")).to_contain_text("could not be reached")
    await expect(listed(page)).to_have_count(1)
