"""Whose rights a call uses, as the page says it. The words for each kind: the tests of the modules."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from graph.models.provider import ChatModelProvider
from tests.agent.api.threads.served_threads import WaitingModel
from tests.frontend.chat_page import ask
from tests.frontend.conftest import PAGE_ORIGIN, Serving
from tests.frontend.lasting_agent import LastingAgent, card
from tests.graph.scripted_model import DONE, calls

JWT = 'issued_jwt = { provider = "service_jwt", audience = "https://reports.sandbox.example" }'
KEY = 'api_key = "amap_api_key"'
KINDS = {
    "keys": (KEY, "with a shared key"),
    "tokens": ('access_token = "https://enterprise.sandbox.example|service.invoke"', "on your behalf"),
    "jwts": (JWT, "on your behalf"),
    "roles": ('cloud_role = { role = "acs:ram::1000000000000001:role/report-reader" }', "as a cloud role"),
    "accounts": ('oauth_token = { provider = "calendar_rooms" }', "with an account elsewhere"),
    "several": (f'{JWT}\nalso = [{{ {KEY}, placement = {{ header = "X-Key" }} }}]', "on your behalf"),
}
"""By the name of a service: its credential, and the label of its calls."""
SERVICE = """
[services.{name}]
type = "http"
url = "https://reports.example"
python = "tests.frontend.conversations.shown_rights:service"
settings = {{ tools = "look_{name} change_{name} pay_{name}" }}
policies.change_{name} = {{ effect = "write" }}
policies.pay_{name} = {{ effect = "write", approvers = "finance" }}
{credential}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def served(
    serving: Serving, running_sandbox: Any, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, WaitingModel, httpx.AsyncClient]]:
    running, clock = running_sandbox
    folder = tmp_path_factory.mktemp("rights")
    services = [SERVICE.format(name=name, credential=kind[0]) for name, kind in KINDS.items()]
    (folder / "services.toml").write_text("\n".join(services))
    variables = {
        "ACCESS_IDENTITY": "Human",
        "CORS_ALLOWED_ORIGINS": PAGE_ORIGIN,
        "CONVERSATIONS_URL": f"sqlite:///{folder / 'conversations.db'}",
        "SERVICES_FILE": str(folder / "services.toml"),
        "MAX_REQUESTS_PER_MINUTE": "0",
        "CALLER_CLAIMS": "groups",
    }
    settings = read_settings(running.environment | variables)
    model = WaitingModel(turns=[])
    agent = Agent(settings, clock=clock, model=ChatModelProvider(model))
    async with (
        serving(create_app(settings, agent)) as origin,
        httpx.AsyncClient(timeout=30, trust_env=False) as http,
    ):
        yield origin, model, http


@pytest.fixture
def agent(served: Any, sandbox: Any, page_switch: Any, bank: Any) -> LastingAgent:
    page_switch[0].configure_for(served[0])
    return LastingAgent(*served, sandbox, bank[0])


async def test_card_call_chain_and_inbox_say_whose_rights_a_call_uses(
    page: Page, other_device: Page, agent: LastingAgent
) -> None:
    label = KINDS["several"][1]
    agent.will_say(calls(("look_several", {})), DONE, calls(("change_several", {})), DONE)
    await agent.asked(page, "Look")
    call = page.get_by_role("article", name="Agent").last.locator("details.tool")
    await expect(call.locator(".badge")).to_have_text(label)
    await expect(page.locator(".chain .uses .badge")).to_have_text(label)

    await ask(page, "Change it")
    await expect(card(page).get_by_role("heading")).to_have_text(f"change_several · several {label}")
    await expect(card(page).locator(".rights")).to_contain_text("your rights")
    await card(page).get_by_role("button", name="Approve").click()
    await expect(card(page)).to_have_count(0)

    agent.will_say(calls(("pay_several", {})), DONE)
    await ask(page, "Pay it")
    await expect(card(page)).to_contain_text("Another person of “finance” decides")
    bob = await agent.open_page(other_device, "bob", groups=["finance"])
    await bob.get_by_role("button", name="Waiting for your decision").click()
    rights = bob.get_by_role(
        "region", name="Approval: user_alice01 asks: pay_several (several, with"
    ).locator(".rights")
    await expect(rights).to_contain_text("the rights of user_alice01")
    await expect(rights).not_to_contain_text("on your behalf")
    await page.get_by_role("button", name="Withdraw the request").click()
    await expect(card(page)).to_have_count(0)


async def test_overview_of_rights_has_the_same_labels(page: Page, agent: LastingAgent) -> None:
    await agent.open_page(page)
    await page.get_by_title("More").click()
    await page.get_by_role("button", name="What the agent may do for you").click()
    for name, (_, label) in KINDS.items():
        row = page.locator("li.service", has=page.get_by_text(name, exact=True))
        await expect(row.locator("summary .badge")).to_have_text(label)
