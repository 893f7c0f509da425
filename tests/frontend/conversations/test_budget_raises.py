"""A limit that a person has reached, raised by an approver on the page."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGenerationChunk
from playwright.async_api import Page, expect

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from graph.models.provider import ChatModelProvider
from tests.agent.api.threads.served_threads import WaitingModel
from tests.frontend.axe import NARROW_IN_THE_DARK, violations
from tests.frontend.chat_page import answered, ask
from tests.frontend.conversations.test_inbox import inbox
from tests.frontend.lasting_agent import LastingAgent, prose

ALL_OF_THE_DAY: UsageMetadata = {"input_tokens": 90_000, "output_tokens": 10_000, "total_tokens": 100_000}
LEADS: Any = {"groups": ["leads"]}


class CountedModel(WaitingModel):
    """Each response uses all that a user has in a day."""

    async def _astream(self, *args: Any, **options: Any) -> AsyncIterator[ChatGenerationChunk]:
        async for chunk in super()._astream(*args, **options):
            yield chunk
        yield ChatGenerationChunk(message=AIMessageChunk("", usage_metadata=ALL_OF_THE_DAY))


@pytest_asyncio.fixture(loop_scope="session")
async def limited_agent(
    serving: Any, running_sandbox: Any, sandbox: Any, page_switch: Any, bank: Any, tmp_path: Path
) -> AsyncIterator[LastingAgent]:
    """An agent at which `leads` may give a user a half more."""
    running, clock = running_sandbox
    variables = {
        "ACCESS_IDENTITY": "Machine",
        "CORS_ALLOWED_ORIGINS": "http://localhost:9001",
        "CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db",
        "CALLER_CLAIMS": "groups",
        "MAX_TOKENS_FOR_USER_A_DAY": "100000",
        "BUDGET_APPROVERS": "leads",
    }
    settings = read_settings(running.environment | variables)
    model = CountedModel(turns=[AIMessage("The first."), AIMessage("More.")])
    agent = Agent(settings, clock=clock, model=ChatModelProvider(model))
    async with serving(create_app(settings, agent)) as origin, httpx.AsyncClient(trust_env=False) as http:
        page_switch[0].configure_for(origin)
        yield LastingAgent(origin, model, http, sandbox, bank[0])


async def test_approver_reads_who_asks_for_how_much_and_the_next_try_of_that_person_goes_on(
    page: Page, other_device: Page, limited_agent: LastingAgent
) -> None:
    await limited_agent.asked(page, "Begin")
    await answered(page)
    await ask(page, "Go on")
    await expect(page.get_by_role("alert").filter(has_text="asked")).to_be_visible()

    bob = await limited_agent.open_page(other_device, "bob", **LEADS)
    await bob.get_by_role("button", name="Waiting for your decision: 1").click()
    question = inbox(bob).get_by_role(
        "region", name="Approval: user_alice01 asks for more of the language model today"
    )
    for shown in (
        "Limit ofthe user “user_alice01”",
        "Limit for a day100,000 tokens",
        "Raise by50,000 tokens",
        "If you decline, they cannot ask for it again today.",
        "Decided byleads",
    ):
        await expect(question).to_contain_text(shown)
    await expect(question.get_by_role("button")).to_have_text(["Approve", "Decline"])
    assert await violations(bob, NARROW_IN_THE_DARK) == []
    await question.get_by_role("button", name="Approve").click()
    await expect(inbox(bob).get_by_role("status")).to_have_text(
        "user_alice01 may use more of the language model today."
    )
    await expect(question).to_have_count(0)

    await page.reload()
    await ask(page, "Go on")
    await expect(prose(page)).to_contain_text("More.")
