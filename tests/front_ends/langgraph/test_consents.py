"""A service that requires the user's consent: the run pauses, and shows the address to that user alone."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest
from playwright.async_api import expect

from tests.agent.api.langgraph.langgraph_process import Server
from tests.front_ends.langgraph.conftest import OpenPage, Steps
from tests.front_ends.langgraph.run_client import RunClient
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("approval-binds", "no-secret-leaves")

QUESTION = "List the events of my calendar"
YES = {"decisions": [{"type": "approve"}]}
NO = {"decisions": [{"type": "reject"}]}


def addresses(sandbox: Sandbox) -> set[str]:
    """Of the consents that are possible now."""
    cloud = sandbox.cloud
    sessions = cloud.oauth_providers.sessions()
    return {f"{cloud.addresses.idaas_plain}/calendar/{session.session_id}" for session in sessions}


async def ask(user: RunClient, sandbox: Sandbox) -> tuple[str, dict[str, Any]]:
    """A thread on which the consent of the user is missing, and the interrupt as the user reads it."""
    thread = await user.thread()
    assert (await user.say(thread, QUESTION)).status_code == 200
    [interrupt] = await user.interrupts(thread)
    assert interrupt["value"]["approval"]["kind"] == "consent_required"
    assert interrupt["value"]["approval"]["url"] in addresses(sandbox)
    return thread, interrupt


async def test_user_allows_the_access_and_the_run_goes_on(alice: RunClient, sandbox: Sandbox) -> None:
    thread, interrupt = await ask(alice, sandbox)
    url = interrupt["value"]["approval"]["url"]
    [action] = interrupt["value"]["action_requests"]
    assert url in action["description"]
    await alice.stream(thread, command={"resume": YES})  # without the consent
    assert [each["value"]["approval"]["kind"] for each in await alice.interrupts(thread)] == [
        "consent_required"
    ]
    async with httpx.AsyncClient() as browser:
        assert "Allowed" in (await browser.post(url, data={"decision": "allow"})).text
    async with asyncio.timeout(60):
        while await alice.interrupts(thread):  # IDaaS's refusal is cached for two seconds
            response, _ = await alice.stream(thread, command={"resume": YES})
            assert response.status_code == 200
    [result] = [message for message in await alice.messages(thread) if message["type"] == "tool"]
    assert json.loads(result["content"])["account"] == "user_alice01"
    assert (await alice.say(thread, "Hello!")).status_code == 200


async def test_declining_reaches_the_model_without_the_address(alice: RunClient, sandbox: Sandbox) -> None:
    thread, _ = await ask(alice, sandbox)
    await alice.stream(thread, command={"resume": NO})
    messages = await alice.messages(thread)
    assert [message["type"] for message in messages] == ["human", "ai", "tool", "ai"]
    assert messages[2]["content"].startswith("consent_required: ")
    assert not any(url in json.dumps(messages) for url in addresses(sandbox))


async def test_address_is_in_every_view_of_its_user_and_in_no_file_of_the_server(
    alice: RunClient, sandbox: Sandbox, langgraph_server: Server
) -> None:
    thread = await alice.thread()
    given = {"messages": [{"type": "human", "content": QUESTION}]}
    _, events = await alice.stream(thread, input=given, stream_mode=["values", "updates", "tasks", "debug"])
    [shown] = [data["__interrupt__"] for name, data in events if name == "values" and "__interrupt__" in data]
    url = shown[0]["value"]["approval"]["url"]
    assert url in addresses(sandbox)
    state = await alice.http.get(f"/threads/{thread}/state")
    history = await alice.http.post(f"/threads/{thread}/history", json={"limit": 20})
    for view in (json.dumps(events), state.text, history.text):
        assert url in view
        assert "consent-url:" not in view
    session = url.rpartition("/")[2].encode()
    files = {file.name: file.read_bytes() for file in langgraph_server.folder.rglob("*") if file.is_file()}
    assert [name for name, content in files.items() if session in content] == []


async def test_while_a_consent_is_open_only_an_answer_to_it_is_taken(
    alice: RunClient, sandbox: Sandbox
) -> None:
    thread, interrupt = await ask(alice, sandbox)
    refused = await alice.say(thread, "I have allowed it")
    assert (refused.status_code, "approval_open" in refused.text) == (409, True)
    attempts: list[tuple[int, dict[str, Any]]] = [
        (409, {"resume": None}),
        (409, {"resume": {}}),
        (409, {"resume": "yes"}),
        (409, {"resume": {"0" * 32: YES}}),
        (403, {"goto": "calendar"}),
        (403, {"resume": YES, "goto": "calendar"}),
        (403, {"resume": YES, "update": {"consenting": False}}),
    ]
    for status, command in attempts:
        response, _ = await alice.stream(thread, command=command)
        assert response.status_code == status, command
    [again] = await alice.interrupts(thread)
    assert again["id"] == interrupt["id"]


@pytest.mark.promise("threads-are-private")
async def test_another_user_neither_answers_nor_reads_the_address(
    alice: RunClient, bob: RunClient, sandbox: Sandbox
) -> None:
    thread, interrupt = await ask(alice, sandbox)
    for resume in (YES, NO, {interrupt["id"]: YES}):
        response, _ = await bob.stream(thread, command={"resume": resume})
        assert response.status_code in (404, 409)
    own = await bob.thread()
    reference = f"consent-url:{interrupt['value']['approval']['id']}"
    await bob.say(own, f"What is at {reference}?")
    shown = json.dumps(await bob.messages(own))
    assert not any(url in shown for url in addresses(sandbox))
    assert len(await alice.interrupts(thread)) == 1


async def test_packages_of_langgraph_receive_the_address(sdk: Steps, sandbox: Sandbox) -> None:
    [asked] = await sdk("alice", str(uuid.uuid4()), {"do": "ask", "text": QUESTION})
    [interrupt] = asked["result"]["interrupts"]
    assert interrupt["payload"]["approval"]["url"] in addresses(sandbox)


@pytest.mark.asyncio(loop_scope="session")
async def test_page_with_use_stream_shows_the_address_and_declines(
    open_page: OpenPage, sandbox: Sandbox
) -> None:
    page = await open_page("alice")
    await page.get_by_label("Message", exact=True).fill(QUESTION)
    await page.get_by_role("button", name="Send").click()
    card = page.get_by_label("Approval")
    await expect(card).to_contain_text("Open this address")
    shown = await card.inner_text()
    assert any(url in shown for url in addresses(sandbox))
    await card.get_by_role("button", name="Reject").click()
    await expect(page.locator("li[data-role=tool]")).to_contain_text("consent_required")
    await expect(page.locator("li[data-role=ai]").last).to_contain_text("allow")
