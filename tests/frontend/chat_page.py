"""The page with a signed-in user, their actions, and the tool calls that an agent may report."""

import re
from typing import Any

from playwright.async_api import Page, expect

PAGE = "http://localhost:9001/"
WEATHER = {"tool": "maps_weather", "service": "amap", "access_identity": "Machine", "call_id": "call_1"}
WEATHER |= {"credential": "amap_api_key", "credential_kind": "api_key"}
ENTERPRISE = {
    "tool": "call_enterprise_service",
    "service": "enterprise",
    "access_identity": "Human",
    "call_id": "call_2",
    "audience": "https://enterprise.sandbox.example",
    "scope": "service.invoke",
    "credential_kind": "access_token",
}
COVERED = """(element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  const seen = (down) => element.contains(document.elementFromPoint(x + width / 2, y + height * down));
  return !(seen(0.5) && seen(0.9));
}"""
"""In the browser: whether something else is where the middle of an element is, or its lower end."""


def question(page: Page) -> Any:
    return page.get_by_role("textbox", name="Your question")


async def ask_edited(page: Page, text: str) -> None:
    """Sends `text` from the field in which a question is edited."""
    field = page.get_by_role("textbox", name="The edited question")
    await field.fill(text)
    await field.press("Enter")


async def ask(page: Page, text: str) -> None:
    """Sends `text` when the answer before it has ended: until then the page sends nothing."""
    await expect(page.get_by_role("button", name=re.compile("^(Stop|停止)$"))).to_be_hidden()
    await question(page).fill(text)
    await question(page).press("Enter")


async def answered(page: Page) -> Any:
    """The last answer, when it has ended."""
    await page.get_by_role("button", name="Ask again").wait_for()
    return page.get_by_role("article", name="Agent").last


async def answer_to(page: Page, text: str) -> Any:
    """Sends `text`; the answer, when it has ended."""
    await ask(page, text)
    return await answered(page)
