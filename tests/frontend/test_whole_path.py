"""From the page to the services and back: the page, the agent and the sandbox, in both access identities."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.async_api import Page, expect

from sandbox.faults import Fault
from tests.agent.conftest import AgentServer, running_agent

PAGE = "http://localhost:9001/"


@pytest.fixture(params=["Machine", "Human"])
def access_identity(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def agent(sandbox: Any, access_identity: str, page_switch: Any) -> Iterator[AgentServer]:
    """An agent that the page may call, and the page configured for it as `idaas-agent up` does."""
    with running_agent(
        sandbox, ACCESS_IDENTITY=access_identity, CORS_ALLOWED_ORIGINS=PAGE.rstrip("/")
    ) as server:
        sign_in = sandbox.url("/login/app/common/oauth2", "idaas_plain")
        page_switch[0].configure(
            {
                "API_URL": server.url,
                "IDAAS_AUTHORIZE_ENDPOINT": f"{sign_in}/authorize",
                "IDAAS_LOGOUT_ENDPOINT": f"{sign_in}/logout",
                "CLIENT_ID": "app_client01",
                "SCOPE": "https://agent.sandbox.example|agent.access",
            }
        )
        yield server


async def sign_in(page: Page, sandbox: Any) -> None:
    await page.goto(PAGE)
    await page.get_by_role("button", name="Sign in with IDaaS").click()
    await page.get_by_label("User name").fill("alice")
    await page.get_by_label("Password").fill(sandbox.cloud.secrets.alice_password)
    await page.get_by_role("button", name="Sign in").click()


async def answer_to(page: Page, question: str) -> Any:
    box = page.get_by_role("textbox", name="Your question")
    await box.fill(question)
    await box.press("Enter")
    await expect(page.get_by_role("button", name="Ask again")).to_be_visible(timeout=15_000)
    return page.get_by_role("article", name="Agent").last


async def test_alice_signs_in_gets_her_answers_and_signs_out(
    browser_context: Any, page: Page, sandbox: Any, agent: AgentServer, access_identity: str
):
    as_whom = {"Machine": "as itself", "Human": "on your behalf"}[access_identity]
    who_called = {"Machine": "app_agent01", "Human": "user_alice01"}[access_identity]
    await sign_in(page, sandbox)

    weather = await answer_to(page, "What is the weather in Hangzhou right now?")
    await expect(weather).to_contain_text(re.compile("Hangzhou|杭州"))
    await expect(weather.locator("details.tool-ok")).to_contain_text(as_whom)
    await expect(weather.locator("details.tool-ok dl")).to_contain_text("amap_api_key")

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
    await expect(page.get_by_role("button", name="Sign in with IDaaS")).to_be_visible()
    assert {origin for origin in browser_context.origins if "localhost:9001" not in origin} == {
        agent.url,
        sandbox.url("", "idaas_plain"),
    }


async def test_an_expired_token_in_mid_conversation_is_renewed_and_the_conversation_goes_on(
    browser_context: Any, page: Page, sandbox: Any, agent: AgentServer
):
    await sign_in(page, sandbox)
    await answer_to(page, "What is the weather in Hangzhou right now?")
    sandbox.clock.advance(
        1300
    )  # over the token's lifetime, for the agent and IDaaS; the page's clock goes on
    refused = await answer_to(page, "And in Beijing?")
    await expect(refused).to_contain_text("access_token_invalid")
    await refused.get_by_role("button", name="Sign in again").click()
    await page.get_by_role("button", name="Ask again").click()
    await expect(page.get_by_role("article", name="Agent").last).to_contain_text(
        re.compile("Beijing|北京"), timeout=15_000
    )


async def test_a_service_that_fails_is_shown_as_failed_with_its_code_and_remedy(
    browser_context: Any, page: Page, sandbox: Any, agent: AgentServer
):
    await sign_in(page, sandbox)
    sandbox.cloud.faults.set("function_compute", Fault(status=500))
    answer = await answer_to(page, "Call my enterprise service")
    call = answer.locator("details.tool-failed")
    await call.locator("summary").click()
    await expect(call).to_contain_text("enterprise_service_failed")
    await expect(call).to_contain_text("heck ENTERPRISE_SERVICE_SCOPE")
