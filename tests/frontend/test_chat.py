"""The conversation in a real browser, against an agent that says what the test tells it."""

import asyncio
import re
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

PAGE = "http://localhost:9001/"
WEATHER = {"tool": "maps_weather", "service": "amap", "access_identity": "Machine", "call_id": "call_1"}
WEATHER["credential"] = "amap_api_key"
ENTERPRISE = {
    "tool": "call_enterprise_service",
    "service": "enterprise",
    "access_identity": "Human",
    "call_id": "call_2",
    "audience": "https://enterprise.sandbox.example",
    "scope": "service.invoke",
}


@pytest_asyncio.fixture(loop_scope="session")
async def signed_in(browser_context: Any, page: Page, page_switch: Any, scripted_agent: Any) -> Page:
    """The page with a session in its tab, as after a sign-in."""
    page_switch[0].configure(
        {
            "API_URL": scripted_agent.origin,
            "IDAAS_AUTHORIZE_ENDPOINT": "http://localhost:9400/authorize",
            "IDAAS_LOGOUT_ENDPOINT": "http://localhost:9400/logout",
            "CLIENT_ID": "app_client01",
            "SCOPE": "https://agent.sandbox.example|agent.access",
        }
    )
    session = (
        '{"accessToken": "an-access-token", "subject": "user_alice01", "person": "p", "name": "user_alice01"}'
    )
    await page.add_init_script(f"sessionStorage.setItem('idaas-agent.session', '{session}')")
    await page.goto(PAGE)
    return page


def question(page: Page) -> Any:
    return page.get_by_role("textbox", name="Your question")


async def ask(page: Page, text: str) -> None:
    await question(page).fill(text)
    await question(page).press("Enter")


async def answered(page: Page) -> Any:
    """The last answer, when it has ended."""
    await page.get_by_role("button", name="Ask again").wait_for()
    return page.get_by_role("article", name="Agent").last


async def test_a_first_question_is_one_click_away(signed_in: Page, browser_context: Any, scripted_agent: Any):
    scripted_agent.will_answer(text="Sunny, 24 °C.")
    await signed_in.get_by_role("button", name="What is the weather in Hangzhou right now?").click()
    await expect(await answered(signed_in)).to_contain_text("Sunny, 24 °C.")
    assert scripted_agent.authorizations == ["Bearer an-access-token"]
    assert scripted_agent.requests[0]["messages"] == [
        {"role": "user", "content": "What is the weather in Hangzhou right now?"}
    ]


async def test_each_tool_call_says_whose_identity_it_used(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
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
    await ask(signed_in, "both, please")
    answer = await answered(signed_in)
    weather, enterprise = (
        answer.locator("details", has_text=name) for name in (WEATHER["tool"], ENTERPRISE["tool"])
    )
    await expect(weather).to_contain_text("as itself")
    await expect(enterprise).to_contain_text("on your behalf")
    await expect(enterprise).to_contain_text("85 ms")
    await expect(enterprise.get_by_text("The agent acted on your behalf")).to_be_hidden()
    await enterprise.locator("summary").click()
    await enterprise.get_by_text("The agent acted on your behalf").wait_for()
    for words in ("https://enterprise.sandbox.example", "service.invoke"):
        await enterprise.get_by_text(words, exact=True).wait_for()
    await weather.locator("summary").click()
    await weather.get_by_text("amap_api_key", exact=True).wait_for()
    await weather.get_by_text("External service call failed").wait_for()

    chain = signed_in.locator(".chain li")
    await expect(chain).to_have_count(4)
    await expect(chain.nth(0)).to_contain_text("user_alice01")
    await expect(chain.nth(2)).to_contain_text(re.compile("Amap.*as itself.*amap_api_key.*failed", re.DOTALL))
    await expect(chain.nth(3)).to_contain_text("on your behalf")
    await expect(chain.nth(3)).to_contain_text(
        re.compile("https://enterprise.sandbox.example *service.invoke")
    )


async def test_stop_ends_the_request_and_keeps_what_had_come(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_answer_without_end(
        {"agent_event": {"type": "tool_started", **WEATHER}}, {"content": "So far"}
    )
    await ask(signed_in, "a long story")
    await signed_in.get_by_text("So far").wait_for()
    await signed_in.get_by_role("button", name="Stop").click()
    answer = await answered(signed_in)
    await expect(answer).to_contain_text("So far")
    await expect(answer).to_contain_text("outcome unknown")
    await asyncio.wait_for(scripted_agent.client_left.wait(), timeout=5)


async def test_thinking_is_folded_apart_from_the_answer(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_answer(
        {"reasoning_content": "The user wants"}, {"reasoning_content": " tea."}, text="Tea."
    )
    await ask(signed_in, "tea?")
    answer = await answered(signed_in)
    await expect(answer.get_by_text("The user wants tea.")).to_be_hidden()
    await answer.get_by_text("Thoughts").click()
    await answer.get_by_text("The user wants tea.").wait_for()


async def test_markdown_is_drawn_while_it_streams(signed_in: Page, browser_context: Any, scripted_agent: Any):
    text = "## Plan\n\n| Day | High |\n|---|---|\n| Mon | 24 |\n\n```python\nprint('hi')\n```\n\n- one\n- two"
    scripted_agent.will_answer(*({"content": text[start : start + 3]} for start in range(0, len(text), 3)))
    await ask(signed_in, "draw")
    answer = await answered(signed_in)
    await answer.get_by_role("heading", name="Plan").wait_for()
    await answer.get_by_role("cell", name="24").wait_for()
    await expect(answer.get_by_role("listitem")).to_have_text(["one", "two"])
    await browser_context.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await answer.get_by_role("button", name="Copy code").click()
    assert await signed_in.evaluate("navigator.clipboard.readText()") == "print('hi')\n"


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (502, "llm_api_key_unavailable", "check LLM_API_KEY_IDENTIFIER"),
        (403, "insufficient_scope", "check AGENT_SCOPE"),
        (503, "idaas_unreachable", "check tokenEndpoint"),
        (413, "request_too_large", "begin a new conversation"),
    ],
)
async def test_a_failure_has_symptom_cause_remedy_and_a_way_to_go_on(
    signed_in: Page, browser_context: Any, scripted_agent: Any, status: int, code: str, words: str
):
    scripted_agent.will_refuse(status, code)
    scripted_agent.will_answer(text="Now it works.")
    await ask(signed_in, "try")
    answer = await answered(signed_in)
    await expect(answer).to_contain_text(words)
    await expect(answer).to_contain_text("Likely cause")
    await expect(answer).to_contain_text(code)
    await signed_in.get_by_role("button", name="Ask again").click()
    await expect(await answered(signed_in)).to_contain_text("Now it works.")
    assert scripted_agent.requests[0]["messages"] == scripted_agent.requests[1]["messages"]


async def test_an_unknown_code_is_told_in_the_agents_own_words(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_refuse(
        502, "my_service_failed", symptom="My service failed", cause="it sleeps", remedy="wake it"
    )
    await ask(signed_in, "try")
    answer = await answered(signed_in)
    for words in ("My service failed", "it sleeps", "wake it", "my_service_failed"):
        await expect(answer).to_contain_text(words)


async def test_an_answer_that_breaks_off_is_not_shown_as_complete(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_answer(text="Half of", done=False)
    await ask(signed_in, "try")
    await expect(await answered(signed_in)).to_contain_text(
        re.compile("Half of.*The answer broke off", re.DOTALL)
    )
    scripted_agent.will_answer(
        {"content": "A third"}, {"error": {"code": "model_call_failed", "message": "m"}}, done=False
    )
    await signed_in.get_by_role("button", name="Ask again").click()
    await expect(await answered(signed_in)).to_contain_text(
        re.compile("A third.*Large model call failed", re.DOTALL)
    )


async def test_an_agent_that_is_down_is_told_as_that(
    signed_in: Page, browser_context: Any, page_switch: Any, scripted_agent: Any
):
    await signed_in.route(f"{scripted_agent.origin}/**", lambda route: route.abort("connectionrefused"))
    await ask(signed_in, "anybody there?")
    await expect(await answered(signed_in)).to_contain_text("The agent could not be reached")


async def test_the_last_question_can_be_edited(signed_in: Page, browser_context: Any, scripted_agent: Any):
    scripted_agent.will_answer(text="Which city?")
    scripted_agent.will_answer(text="Sunny.")
    await ask(signed_in, "weather")
    await answered(signed_in)
    await signed_in.get_by_role("button", name="Edit question").click()
    await expect(question(signed_in)).to_have_value("weather")
    await expect(question(signed_in)).to_be_focused()
    await ask(signed_in, "weather in Hangzhou")
    await expect(await answered(signed_in)).to_contain_text("Sunny.")
    assert [message["content"] for message in scripted_agent.requests[1]["messages"]] == [
        "weather in Hangzhou"
    ]


async def test_the_conversation_survives_a_reload_and_ends_with_a_new_one(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_answer(text="Noted.")
    await ask(signed_in, "remember tea")
    await answered(signed_in)
    await signed_in.reload()
    await expect(await answered(signed_in)).to_contain_text("Noted.")
    await signed_in.get_by_role("button", name="New conversation").click()
    await expect(signed_in.get_by_text("Noted.")).to_have_count(0)
    await signed_in.reload()
    await signed_in.get_by_text("What can I do for you?").wait_for()


async def test_everything_can_be_done_from_the_keyboard(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_answer_without_end({"content": "So far"})
    await expect(question(signed_in)).to_be_focused()
    await signed_in.keyboard.type("first line")
    await signed_in.keyboard.press("Shift+Enter")
    await signed_in.keyboard.type("second line")
    await signed_in.keyboard.press("Enter")
    await signed_in.get_by_text("So far").wait_for()
    await signed_in.keyboard.press("Escape")
    await answered(signed_in)
    assert scripted_agent.requests[0]["messages"][0]["content"] == "first line\nsecond line"
    await signed_in.keyboard.press("Shift+Tab")
    await signed_in.keyboard.press("Shift+Tab")
    scripted_agent.will_answer(text="Again.")
    await expect(signed_in.get_by_role("button", name="Ask again")).to_be_focused()
    await signed_in.keyboard.press("Enter")
    await expect(await answered(signed_in)).to_contain_text("Again.")


async def test_screen_readers_hear_the_answer_once_when_it_is_complete(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_answer({"content": "Tea "}, {"content": "is ready."})
    await ask(signed_in, "tea?")
    await answered(signed_in)
    await expect(signed_in.get_by_role("status").filter(has_text="Answer complete")).to_have_text(
        "Answer complete: Tea is ready."
    )


async def test_the_language_can_be_changed_in_mid_answer(
    signed_in: Page, browser_context: Any, scripted_agent: Any
):
    scripted_agent.will_answer_without_end(
        {"agent_event": {"type": "tool_started", **WEATHER}}, {"content": "So far"}
    )
    await ask(signed_in, "go")
    await signed_in.get_by_text("So far").wait_for()
    await signed_in.get_by_role("button", name="中文").click()
    await expect(signed_in.get_by_role("article", name="智能体")).to_contain_text("以自身身份")
    await expect(signed_in.locator("html")).to_have_attribute("lang", "zh")
    await signed_in.get_by_role("button", name="停止").click()
    await signed_in.get_by_text("已停止，已生成的内容保留在上方。").wait_for()
    await signed_in.reload()
    await signed_in.get_by_role("button", name="新对话").wait_for()


@pytest.mark.parametrize("width", [320, 360, 768, 1600])
async def test_no_width_makes_the_page_scroll_sideways(
    signed_in: Page, browser_context: Any, scripted_agent: Any, width: int
):
    await signed_in.set_viewport_size({"width": width, "height": 740})
    wide = (
        "| " + " | ".join(f"column {n}" for n in range(12)) + " |\n|" + "---|" * 12 + "\n|" + " value |" * 12
    )
    scripted_agent.will_answer(
        {"agent_event": {"type": "tool_finished", **ENTERPRISE, "ok": True, "duration_ms": 85}},
        text=f"{wide}\n\n```\n{'x' * 300}\n```\n\n{'y' * 300}",
    )
    await ask(signed_in, "wide " * 60)
    await answered(signed_in)
    await signed_in.locator(".tool summary").click()
    assert await signed_in.evaluate("document.documentElement.scrollWidth") <= width
