"""An agent that keeps conversations, with a model that follows a script, and the page of a signed-in user."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
from playwright.async_api import Page

from tests.agent.api.test_elicitation import Bank
from tests.agent.api.threads.served_threads import WaitingModel
from tests.frontend.chat_page import PAGE, ask
from tests.suite import Sandbox

APPLY = "Apply for three days of leave from Monday"
SERVICES = """
[services.amap]
type = "built-in"
policies.maps_geo = { effect = "write", lasting = { seconds = 7200, conversation_only = false } }
policies.maps_distance = { effect = "read", data = "confidential" }
policies.maps_regeocode = { effect = "write", approvers = "finance" }
"""
"""Calls of `maps_geo` ask, and may be approved for two hours. `maps_distance` returns confidential data.
Another person decides about calls of `maps_regeocode`.
"""

BANK = """
[services.bank]
type = "mcp"
url = "{origin}/mcp"
api_key = "amap_api_key"
policies = {{ pay = {{ effect = "read" }} }}
"""
"""The server of its tool asks the user."""


@dataclass
class LastingAgent:
    """The agent, its model and its users."""

    origin: str
    model: WaitingModel
    http: httpx.AsyncClient
    sandbox: Sandbox
    bank: Bank

    def will_say(self, *turns: Any, waits: bool = False) -> None:
        """The model's responses. With `waits`, each stops after its first piece until `model.go_on`."""
        self.model.turns = list(turns)
        self.model.waits = waits
        self.model.go_on.clear()
        self.model.waiting.clear()

    async def ask(
        self, method: str, path: str, body: Any = None, user: str = "alice", **claims: Any
    ) -> httpx.Response:
        """One request of `user`, as of another device."""
        headers = {"Authorization": f"Bearer {self.sandbox.access_token(user, **claims)}"}
        response = await self.http.request(method, self.origin + path, json=body, headers=headers)
        return response.raise_for_status()

    async def open_page(self, page: Page, user: str = "alice", at: str = "", **claims: Any) -> Page:
        """The page of `user`, whose token has `claims`, at the address `at`."""
        return await open_page(page, self.sandbox, user, at, **claims)

    async def asked(self, page: Page, text: str) -> None:
        """Opens the page and sends `text`."""
        await self.open_page(page)
        await ask(page, text)


async def open_page(page: Page, sandbox: Sandbox, user: str = "alice", at: str = "", **claims: Any) -> Page:
    """The page with a session of `user` in its tab, as after a sign-in."""
    session = {
        "accessToken": sandbox.access_token(user, **claims),
        "subject": user,
        "person": json.dumps([sandbox.issuer, user]),
        "name": user.title(),
    }
    text = json.dumps(json.dumps(session))
    await page.add_init_script(f"sessionStorage.setItem('idaas-agent.session', {text})")
    await page.goto(PAGE + at)
    await page.locator(".conversations").wait_for()
    return page


def card(page: Page) -> Any:
    """The approval that the conversation waits for."""
    return page.get_by_role("region", name="Approval")


def listed(page: Page) -> Any:
    """The conversations in the list."""
    return page.locator(".conversations .open")


def prose(page: Page) -> Any:
    """The text of the last answer."""
    return page.get_by_role("article", name="Agent").last.locator(".prose")
