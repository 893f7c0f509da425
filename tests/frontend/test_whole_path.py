"""From the page to the services and back: the page, the agent and the sandbox, in both access identities."""

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from sandbox.commands.sandbox_options import PageGrant, sandbox_page_config
from sandbox.faults.faults import Fault
from tests.agent.conftest import AgentServer, running_agent
from tests.frontend.chat_page import PAGE

pytestmark = pytest.mark.usefixtures("shipped_modules")

Serve = Callable[[str, PageGrant], AgentServer]


@pytest.fixture
def serve_agent(sandbox: Any, page_switch: Any) -> Iterator[Serve]:
    """Starts an agent that the page may call, and configures the page for it as `idaas-agent up` does."""
    with contextlib.ExitStack() as stack:

        def serve(access_identity: str, grant: PageGrant) -> AgentServer:
            server = stack.enter_context(
                running_agent(sandbox, ACCESS_IDENTITY=access_identity, CORS_ALLOWED_ORIGINS=PAGE.rstrip("/"))
            )
            page_switch[0].configure(
                sandbox_page_config(
                    sandbox.cloud.addresses,
                    grant,
                    agent_url=server.url,
                    scope="https://agent.sandbox.example|agent.access",
                )
            )
            return server

        yield serve


async def answer_to(page: Page, question: str) -> Any:
    box = page.get_by_role("textbox", name="Your question")
    await box.fill(question)
    await box.press("Enter")
    await page.get_by_role("button", name="Ask again").wait_for()
    return page.get_by_role("article", name="Agent").last


@pytest.mark.parametrize(
    ("access_identity", "grant"), [("Machine", PageGrant.CODE), ("Human", PageGrant.IMPLICIT)]
)
async def test_alice_signs_in_receives_answers_and_signs_out(
    browser_context: Any,
    page: Page,
    sandbox: Any,
    sign_in: Any,
    serve_agent: Serve,
    access_identity: str,
    grant: PageGrant,
):
    agent = serve_agent(access_identity, grant)
    as_whom = {"Machine": "as the agent", "Human": "on your behalf"}[access_identity]
    with_the_key = {"Machine": "as the agent", "Human": "with a shared key"}[access_identity]
    who_called = {"Machine": "app_agent01", "Human": "user_alice01"}[access_identity]
    await sign_in(page)
    await page.get_by_label("Your question").wait_for()
    redeemed = sandbox.cloud.counters.snapshot().get("idaas:token.authorization_code", 0)
    assert redeemed == (grant is PageGrant.CODE)

    weather = await answer_to(page, "What is the weather in Hangzhou right now?")
    await expect(weather).to_contain_text(re.compile("Hangzhou|杭州"))
    await expect(weather.locator("details.tool-ok")).to_contain_text(with_the_key)
    await expect(weather.locator("details.tool-ok dl")).to_contain_text("amap_api_key")
    await expect(weather.locator("details.tool-ok dl")).to_contain_text("the same for everyone")
    await expect(weather.locator("details.tool-ok pre").first).to_contain_text(re.compile("Hangzhou|杭州"))

    enterprise = await answer_to(page, "Call my enterprise service")
    await expect(enterprise.locator("details.tool-ok")).to_contain_text(as_whom)
    await expect(enterprise.locator("details.tool-ok dl")).to_contain_text(
        "https://enterprise.sandbox.example"
    )
    await expect(enterprise.locator("details.tool-ok dl")).to_contain_text("service.invoke")
    await expect(enterprise).to_contain_text(who_called)

    leave = await answer_to(page, "How many days of leave do I have left?")
    await expect(leave.locator("details.tool-ok")).to_contain_text("on your behalf")  # Human, always

    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Sign in with IDaaS").wait_for()
    assert {origin for origin in browser_context.origins if "localhost:9001" not in origin} == {
        agent.url,
        sandbox.url("", "idaas_plain"),
    }


async def test_stop_ends_the_models_work_too(page: Page, sandbox: Any, sign_in: Any, serve_agent: Serve):
    serve_agent("Machine", PageGrant.CODE)
    await sign_in(page)
    sandbox.cloud.faults.set("model_studio.stream", Fault(hang=True))
    box = page.get_by_role("textbox", name="Your question")
    await box.fill("Hello")
    await box.press("Enter")
    await counted(page, sandbox, "model_studio:fault")
    assert "model_studio:client_left" not in sandbox.cloud.counters.snapshot()
    await page.get_by_role("button", name="Stop").click()
    await counted(page, sandbox, "model_studio:client_left")
    await page.locator(".stopped").wait_for()  # its text depends on whether a piece had arrived


async def test_a_user_without_permission_for_the_agent_gets_an_error_and_no_token(
    page: Page, sandbox: Any, sign_in: Any, serve_agent: Serve
):
    serve_agent("Human", PageGrant.CODE)
    sandbox.cloud.directory.people.discard(("user_alice01", "https://agent.sandbox.example", "agent.access"))
    await sign_in(page)
    await page.get_by_role("alert").wait_for()
    await expect(page.get_by_role("alert")).to_contain_text("Access was denied")
    await expect(page.get_by_role("textbox", name="Your question")).to_have_count(0)
    assert "idaas:token.authorization_code" not in sandbox.cloud.counters.snapshot()


async def counted(page: Page, sandbox: Any, operation: str) -> None:
    """Returns when the sandbox has counted `operation`, which another thread does: asks once in a frame."""
    async with asyncio.timeout(60):
        while operation not in sandbox.cloud.counters.snapshot():
            await page.evaluate("new Promise(requestAnimationFrame)")


async def test_expired_token_is_renewed_and_the_conversation_continues(
    page: Page, sandbox: Any, sign_in: Any, serve_agent: Serve
):
    serve_agent("Human", PageGrant.CODE)
    await sign_in(page)
    await answer_to(page, "What is the weather in Hangzhou right now?")
    sandbox.clock.advance(
        1300
    )  # over the token's lifetime, for the agent and IDaaS; the page's clock goes on
    await page.get_by_role("textbox", name="Your question").fill("And in Beijing?")
    await page.get_by_role("textbox", name="Your question").press("Enter")
    refused = page.locator(".refusal")
    await expect(refused).to_contain_text("access_token_invalid")
    await refused.get_by_role("button", name="Sign in again").click()
    await expect(page.get_by_role("textbox", name="Your question")).to_have_value("And in Beijing?")
    await page.get_by_role("textbox", name="Your question").press("Enter")
    await expect(page.get_by_role("article", name="Agent").last).to_contain_text(
        re.compile("Beijing|北京"), timeout=60_000
    )


async def test_bobs_refused_leave_is_shown_as_not_called_and_without_an_identity(
    page: Page, sandbox: Any, sign_in: Any, serve_agent: Serve
):
    serve_agent("Machine", PageGrant.CODE)
    await sign_in(page, "bob")
    leave = await answer_to(page, "How many days of leave do I have left?")
    call = leave.locator("details.tool-not_called")
    await expect(call.locator("summary").first).to_have_text(
        "Did not call the leave service See the leave that is left"
    )
    await call.locator("summary").first.click()
    await expect(call.locator("dl")).to_contain_text("Nothing was called")
    await expect(call.locator("dl")).to_contain_text("leave.write")
    await expect(call.locator("dl")).not_to_contain_text("Duration")
    for shown in (".turns", ".chain"):
        await expect(page.locator(shown)).not_to_contain_text("on your behalf")
    await expect(page.locator(".chain li").last).to_contain_text(
        re.compile("the leave service.*nothing was called", re.DOTALL)
    )
