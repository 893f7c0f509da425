"""WCAG 2.2 AA as far as axe-core can check, in every state of the page, light and dark, wide and narrow."""

from typing import Any

from playwright.async_api import Page

from tests.frontend.axe import NARROW_IN_THE_DARK, violations
from tests.frontend.chat_page import PAGE, ask

SESSION = (
    '{"accessToken": "at", "subject": "user_alice01", "person": "p", "name": "user_alice01", "expiresAt": %s}'
)
TOOL = {"tool": "maps_weather", "service": "amap", "access_identity": "Machine", "call_id": "1"}
KEY = {
    **TOOL,
    "access_identity": "Human",
    "credential": "amap_api_key",
    "credential_kind": "api_key",
    "call_id": "3",
}
REFUSED = {"tool": "leave_days", "service": "leave", "access_identity": "Human", "call_id": "4"}
FAILED = {"tool": "leave_balance", "service": "leave", "access_identity": "Human", "call_id": "2"}
MARKDOWN = (
    "## Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n\n> quote\n\n[x](https://example.com)"
)


async def test_no_state_of_the_page_violates_a_rule(page: Page, page_switch: Any, scripted_agent: Any):
    config = {
        "API_URL": scripted_agent.origin,
        "IDAAS_AUTHORIZE_ENDPOINT": "http://localhost:9400/authorize",
        "IDAAS_LOGOUT_ENDPOINT": "http://localhost:9400/logout",
        "CLIENT_ID": "app_client01",
        "SCOPE": "https://agent.sandbox.example|agent.access",
        "SILENT_RENEWAL": "off",  # a renewal would be waited for before the page warns of the expiry
    }
    states: dict[str, list[str]] = {}

    page_switch[0].configure(config | {"CLIENT_ID": ""})
    await page.goto(PAGE)
    await page.get_by_role("alert").wait_for()
    states["unconfigured"] = await violations(page)

    page_switch[0].configure(config)
    await page.goto(f"{PAGE}#access_token=x&state=forged")
    await page.reload()
    await page.locator("button.large").wait_for()
    states["welcome"] = await violations(page)

    await page.evaluate("location.hash = 'error=access_denied&state=x'")
    await page.reload()
    await page.get_by_role("alert").wait_for()
    states["sign-in error"] = await violations(page)

    session = SESSION % "Date.now() + 60000"
    await page.evaluate(f"sessionStorage.setItem('idaas-agent.session', JSON.stringify({session}))")
    await page.reload()
    await page.locator(".expiry").wait_for()
    states["first questions, expiring"] = await violations(page)

    events = [
        {"type": "tool_started", **TOOL, "arguments": {"city": "Hangzhou"}},
        {"type": "tool_finished", **TOOL, "ok": True, "duration_ms": 12, "result": "Sunny"},
        {"type": "tool_finished", **KEY, "ok": True, "duration_ms": 12},
        {"type": "tool_finished", **REFUSED, "ok": False, "called": False, "duration_ms": 0},
        {"type": "tool_finished", **FAILED, "ok": False, "duration_ms": 3, "error": "token_exchange_failed"},
    ]
    scripted_agent.will_answer(
        {"reasoning_content": "hm"}, *({"agent_event": event} for event in events), text=MARKDOWN
    )
    await ask(page, "go")
    await page.locator(".actions").wait_for()
    for summary in await page.locator(".answer summary").all():
        if await summary.is_visible():
            await summary.click()
    states["answer"] = await violations(page, NARROW_IN_THE_DARK)

    await page.locator(".chain").evaluate("(chain) => { chain.open = true; }")
    states["the chain open, on a phone over the conversation"] = await violations(page, NARROW_IN_THE_DARK)

    scripted_agent.will_refuse(401, "access_token_invalid", request_id="1f2e")
    await ask(page, "go")
    await page.locator(".failure").wait_for()
    states["failure"] = await violations(page)

    await page.get_by_role("button", name="New conversation").click()
    scripted_agent.will_refuse(429, "rate_limited", retry_after=3000)
    await ask(page, "go")
    await page.get_by_role("timer").wait_for()
    states["waiting"] = await violations(page)

    await page.get_by_role("button", name="Edit question").click()
    states["editing"] = await violations(page)
    await page.get_by_role("button", name="New conversation").click()
    await page.get_by_role("button", name="Undo").click()
    await page.get_by_role("button", name="New conversation").click()
    states["undo"] = await violations(page)

    scripted_agent.will_answer_without_end(
        {"agent_event": {"type": "tool_started", **TOOL}}, {"content": "so far"}
    )
    await ask(page, "go")
    await page.get_by_text("so far").wait_for()
    states["streaming"] = await violations(page)

    await page.get_by_role("button", name="中文").click()
    states["Chinese"] = await violations(page)

    assert {state: found for state, found in states.items() if found} == {}
