"""The conversation in a real browser, against an agent whose answers the test scripts."""

import json
import re
from typing import Any

from playwright.async_api import Page, expect

from tests.frontend.chat_page import ENTERPRISE, WEATHER, answer_to, answered, ask


async def test_suggested_question_is_sent_by_one_click(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(text="Sunny, 24 °C.")
    await signed_in.get_by_role("button", name="What is the weather in Hangzhou right now?").click()
    await expect(await answered(signed_in)).to_contain_text("Sunny, 24 °C.")
    assert scripted_agent.authorizations == ["Bearer an-access-token"]
    assert scripted_agent.requests[0]["messages"] == [
        {"role": "user", "content": "What is the weather in Hangzhou right now?"}
    ]


async def test_address_of_a_consent_is_a_link_at_its_call_and_is_not_sent_back(
    signed_in: Page, scripted_agent: Any
):
    url = "https://calendar.example/consent?state=1"
    call = {**ENTERPRISE, "call_id": "call_1"}
    scripted_agent.will_answer(
        {"agent_event": {"type": "tool_started", **call}},
        {"custom": {"name": "idaas-agent:consent_required", "value": {"call_id": "call_1", "url": url}}},
        {"agent_event": {"type": "tool_finished", **call, "ok": False, "error": "consent_required"}},
        text="Allow the access first.",
    )
    scripted_agent.will_answer(text="Now it works.")
    await ask(signed_in, "My calendar?")
    link = (await answered(signed_in)).get_by_role("link", name="Open the page to allow it")
    await expect(link).to_have_attribute("href", url)
    await expect(await answer_to(signed_in, "And now?")).to_contain_text("Now it works.")
    assert "calendar.example" not in json.dumps(scripted_agent.requests)


async def test_each_tool_call_shows_its_access_identity(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(
        {"agent_event": {"type": "tool_started", **WEATHER}},
        {"agent_event": {"type": "tool_started", **ENTERPRISE}},
        {"agent_event": {"type": "tool_finished", **ENTERPRISE, "ok": True, "duration_ms": 85}},
        {
            "agent_event": {
                "type": "tool_finished",
                **WEATHER,
                "ok": False,
                "duration_ms": 1234,
                "error": "external_service_failed",
            }
        },
        text="Done.",
    )
    answer = await answer_to(signed_in, "both, please")
    weather, enterprise = (
        answer.locator("details", has_text=name) for name in (WEATHER["tool"], ENTERPRISE["tool"])
    )
    await expect(weather).to_contain_text("as the agent")
    await expect(enterprise).to_contain_text("on your behalf")
    await expect(enterprise).to_contain_text("85 ms")
    await expect(enterprise.get_by_text("The agent acted on your behalf")).to_be_hidden()
    await enterprise.locator("summary").first.click()
    await enterprise.get_by_text("The agent acted on your behalf").wait_for()
    for words in ("https://enterprise.sandbox.example", "service.invoke"):
        await enterprise.get_by_text(words, exact=True).wait_for()
    await weather.locator("summary").first.click()
    await weather.get_by_text("amap_api_key", exact=True).wait_for()
    await weather.get_by_text("The call to Amap failed (code: external_service_failed)").wait_for()

    chain = signed_in.locator(".chain li")
    await expect(chain).to_have_count(4)
    await expect(chain.nth(0)).to_contain_text("user_alice01")
    await expect(chain.nth(2)).to_contain_text(
        re.compile("Amap.*as the agent.*amap_api_key.*failed", re.DOTALL)
    )
    await expect(chain.nth(3)).to_contain_text("on your behalf")
    await expect(chain.nth(3)).to_contain_text(
        re.compile("https://enterprise.sandbox.example *service.invoke")
    )


async def test_thinking_is_folded_apart_from_the_answer(signed_in: Page, scripted_agent: Any):
    scripted_agent.will_answer(
        {"reasoning_content": "The user wants"}, {"reasoning_content": " tea."}, text="Tea."
    )
    answer = await answer_to(signed_in, "tea?")
    await expect(answer.get_by_text("The user wants tea.")).to_be_hidden()
    await answer.get_by_text("Thoughts").click()
    await answer.get_by_text("The user wants tea.").wait_for()


async def test_markdown_is_rendered_while_it_streams(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    text = "## Plan\n\n| Day | High |\n|---|---|\n| Mon | 24 |\n\n```python\nprint('hi')\n```\n\n- one\n- two"
    scripted_agent.will_answer(*({"content": text[start : start + 3]} for start in range(0, len(text), 3)))
    answer = await answer_to(signed_in, "draw")
    await expect(answer.locator(".code .hljs-string")).to_have_text("'hi'")
    await answer.get_by_role("heading", name="Plan").wait_for()
    await answer.get_by_role("cell", name="24").wait_for()
    await expect(answer.get_by_role("listitem")).to_have_text(["one", "two"])
    await browser_context.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await answer.get_by_role("button", name="Copy code").click()
    assert await signed_in.evaluate("navigator.clipboard.readText()") == "print('hi')\n"


async def test_a_tool_call_shows_its_arguments_and_its_result_folded_and_as_text(
    signed_in: Page, scripted_agent: Any
):
    hostile = "<img src=x onerror=alert(1)> **bold**"
    scripted_agent.will_answer(
        {"agent_event": {"type": "tool_started", **WEATHER, "arguments": {"city": hostile}}},
        {
            "agent_event": {
                "type": "tool_finished",
                **WEATHER,
                "ok": True,
                "called": True,
                "duration_ms": 5,
                "result": f"{hostile}, 24 °C",
            }
        },
        text="Done.",
    )
    answer = await answer_to(signed_in, "weather")
    await answer.locator("details.tool > summary").click()
    arguments, result = answer.locator("pre").nth(0), answer.locator("pre").nth(1)
    await expect(arguments).to_be_hidden()
    await answer.get_by_text("Arguments").click()
    await answer.get_by_text("Result", exact=True).click()
    await expect(arguments).to_be_visible()
    assert json.loads(await arguments.inner_text()) == {"city": hostile}
    await expect(result).to_have_text(f"{hostile}, 24 °C")
    await expect(answer.locator("img, pre strong")).to_have_count(0)
