"""`useStream` of `@langchain/react` in a page: it speaks the event-streaming protocol across origins."""

import json
import re

import pytest
from playwright.async_api import Page, expect

from sandbox.faults.faults import Fault
from tests.front_ends.langgraph.conftest import OpenPage
from tests.front_ends.langgraph.leave import Leave
from tests.front_ends.langgraph.run_client import RunClient
from tests.suite import Sandbox
from tests.until import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

WEATHER = "What is the weather in Hangzhou right now?"


async def send(page: Page, text: str) -> None:
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_role("button", name="Send").click()


async def test_conversation_shows_streamed_messages_and_tool_calls_and_survives_a_reload(
    open_page: OpenPage,
) -> None:
    page = await open_page("alice")
    await send(page, WEATHER)
    answer = page.locator("li[data-role=ai]").last
    await expect(answer).to_contain_text("Hangzhou", timeout=20_000)
    await expect(page.get_by_label("Tool calls")).to_contain_text(
        'maps_weather({"city":"Hangzhou"}) finished'
    )
    await expect(page.get_by_role("main")).to_have_attribute("data-loading", "false")
    thread = await page.get_by_role("main").get_attribute("data-thread")
    assert thread

    again = await open_page("alice", thread)
    await expect(again.locator("li[data-role=human]")).to_contain_text(WEATHER)
    await expect(again.locator("li[data-role=ai]").last).to_contain_text("Hangzhou")
    await send(again, "Call my enterprise service")
    await expect(again.locator("li[data-role=ai]").last).to_contain_text("user_alice01", timeout=20_000)
    await expect(again.get_by_role("alert")).to_have_count(0)


async def test_stop_ends_the_run_at_the_server(open_page: OpenPage, sandbox: Sandbox) -> None:
    sandbox.cloud.faults.set("model_studio", Fault(hang=True))
    page = await open_page("alice")
    async with page.expect_request(re.compile(r"/stream/events$")):
        await send(page, WEATHER)
    async with page.expect_response(re.compile(r"/cancel")) as cancelled:
        await page.get_by_role("button", name="Stop").click()
    assert (await cancelled.value).ok
    await expect(page.get_by_role("main")).to_have_attribute("data-loading", "false")


@pytest.mark.promise("approval-binds")
async def test_approval_is_shown_and_decided_in_the_page(open_page: OpenPage, leave: Leave) -> None:
    page = await open_page("alice")
    card = page.get_by_label("Approval")
    answer = page.locator("li[data-role=ai]").last
    for decision, days, words in [("Reject", [], "declined"), ("Approve", [3], "3 days")]:
        await send(page, leave.question)
        await expect(card).to_contain_text("leave_apply")
        await expect(card.get_by_label("Arguments")).to_have_value(
            json.dumps(leave.arguments, separators=(",", ":"))
        )
        assert await leave.days() == []
        await card.get_by_label("Words").fill("not before the release")
        await card.get_by_role("button", name=decision).click()
        await expect(card).to_have_count(0)
        await expect(answer).to_contain_text(words)
        await expect(page.get_by_role("main")).to_have_attribute("data-loading", "false")
        assert await leave.days() == days
    await expect(page.locator("li[data-role=tool]").first).to_contain_text("not before the release")
    await expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.promise("approval-binds")
async def test_approval_waits_for_another_browser_and_takes_edited_arguments(
    open_page: OpenPage, leave: Leave, alice: RunClient
) -> None:
    page = await open_page("alice")
    await send(page, leave.question)
    await expect(page.get_by_label("Approval")).to_be_visible()
    thread = await page.get_by_role("main").get_attribute("data-thread")
    await page.context.close()

    other = await open_page("alice", thread)
    card = other.get_by_label("Approval")
    await card.get_by_label("Arguments").fill(json.dumps(leave.arguments | {"days": 2}))
    await card.get_by_role("button", name="Edit").click()
    await answered(other, alice, leave, days=2)
    await expect(card).to_have_count(0)


@pytest.mark.promise("approval-binds")
async def test_message_while_an_approval_waits_is_no_answer(
    open_page: OpenPage, leave: Leave, alice: RunClient
) -> None:
    page = await open_page("alice")
    await send(page, leave.question)
    await expect(page.get_by_label("Approval")).to_be_visible()
    await send(page, "yes, I approve")
    await expect(page.get_by_role("alert")).to_contain_text("approval_open", timeout=20_000)
    assert await leave.days() == []
    thread = await page.get_by_role("main").get_attribute("data-thread")
    again = await open_page("alice", thread)
    await again.get_by_role("button", name="Approve").click()
    await answered(again, alice, leave, days=3)


async def answered(page: Page, alice: RunClient, leave: Leave, days: int) -> None:
    """Waits for the run that the page's decision continued, and looks at its answer in the page.

    A page that was opened with a waiting approval may show a state again that its hook requested before the
    answer. What the server has counts, so the page is loaded anew.
    """

    async def is_applied() -> bool:
        return await leave.days() == [days]

    await until(is_applied)
    thread = await page.get_by_role("main").get_attribute("data-thread")
    assert thread
    await alice.join(thread)
    await page.reload()
    await expect(page.locator("li[data-role=ai]").last).to_contain_text(f"{days} days")


@pytest.mark.promise("threads-are-private")
async def test_thread_of_another_user_is_empty_and_refused(open_page: OpenPage) -> None:
    page = await open_page("alice")
    await send(page, WEATHER)
    await expect(page.locator("li[data-role=ai]").last).to_contain_text("Hangzhou", timeout=20_000)
    thread = await page.get_by_role("main").get_attribute("data-thread")

    foreign = await open_page("bob", thread)
    await send(foreign, "What did alice ask?")
    await expect(foreign.get_by_role("alert")).to_contain_text("404")
    await expect(foreign.get_by_label("Messages")).not_to_contain_text("Hangzhou")
    await expect(page.locator("li[data-role=human]")).to_have_count(1)
