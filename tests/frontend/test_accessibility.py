"""WCAG 2.2 AA as far as axe-core can tell, in every state of the page, light and dark, wide and narrow."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

AXE = (Path(__file__).resolve().parents[2] / "frontend/node_modules/axe-core/axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
PAGE = "http://localhost:9001/"
SESSION = (
    '{"accessToken": "at", "subject": "user_alice01", "person": "p", "name": "user_alice01", "expiresAt": %s}'
)
TOOL = {"tool": "maps_weather", "service": "amap", "access_identity": "Machine", "call_id": "1"}
FAILED = {"tool": "leave_balance", "service": "leave", "access_identity": "Human", "call_id": "2"}
MARKDOWN = (
    "## Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n\n> quote\n\n[x](https://example.com)"
)


@pytest.fixture(params=["light 1280", "dark 1280", "light 360", "dark 360"])
def look(request: pytest.FixtureRequest) -> tuple[str, int]:
    scheme, width = request.param.split()
    return scheme, int(width)


async def violations(page: Page) -> list[str]:
    await page.evaluate(AXE)
    found = await page.evaluate(
        """async (tags) => (await axe.run(document, { runOnly: tags })).violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`)""",
        RULES,
    )
    return [str(violation) for violation in found]


async def ask(page: Page) -> None:
    await page.locator("#question").fill("go")
    await page.keyboard.press("Enter")


async def test_no_state_of_the_page_violates_a_rule(
    browser_context: Any, page: Page, page_switch: Any, scripted_agent: Any, look: tuple[str, int]
):
    scheme, width = look
    await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type] # a literal
    await page.set_viewport_size({"width": width, "height": 800})
    config = {
        "API_URL": scripted_agent.origin,
        "IDAAS_AUTHORIZE_ENDPOINT": "http://localhost:9400/authorize",
        "IDAAS_LOGOUT_ENDPOINT": "http://localhost:9400/logout",
        "CLIENT_ID": "app_client01",
        "SCOPE": "https://agent.sandbox.example|agent.access",
    }
    states: dict[str, list[str]] = {}

    page_switch[0].configure(config | {"CLIENT_ID": ""})
    await page.goto(PAGE)
    await expect(page.get_by_role("alert")).to_be_visible()
    states["unconfigured"] = await violations(page)

    page_switch[0].configure(config)
    await page.goto(f"{PAGE}#access_token=x&state=forged")
    await page.reload()
    await expect(page.locator("button.large")).to_be_visible()
    states["welcome"] = await violations(page)

    await page.evaluate("location.hash = 'error=access_denied&state=x'")
    await page.reload()
    await expect(page.get_by_role("alert")).to_be_visible()
    states["sign-in error"] = await violations(page)

    session = SESSION % "Date.now() + 60000"
    await page.evaluate(f"sessionStorage.setItem('idaas-agent.session', JSON.stringify({session}))")
    await page.reload()
    await expect(page.locator(".expiry")).to_be_visible()
    states["first questions, expiring"] = await violations(page)

    events = [
        {"type": "tool_finished", **TOOL, "ok": True, "duration_ms": 12},
        {"type": "tool_finished", **FAILED, "ok": False, "duration_ms": 3, "error": "token_exchange_failed"},
    ]
    scripted_agent.will_answer(
        {"reasoning_content": "hm"}, *({"agent_event": event} for event in events), text=MARKDOWN
    )
    await ask(page)
    await expect(page.locator(".actions")).to_be_visible()
    for summary in await page.locator(".answer summary").all():
        await summary.click()
    states["answer"] = await violations(page)

    scripted_agent.will_refuse(401, "access_token_invalid")
    await ask(page)
    await expect(page.locator(".failure")).to_be_visible()
    states["failure"] = await violations(page)

    scripted_agent.will_answer_without_end(
        {"agent_event": {"type": "tool_started", **TOOL}}, {"content": "so far"}
    )
    await ask(page)
    await expect(page.get_by_text("so far")).to_be_visible()
    states["streaming"] = await violations(page)

    await page.get_by_role("button", name="中文").click()
    states["Chinese"] = await violations(page)

    assert {state: found for state, found in states.items() if found} == {}
