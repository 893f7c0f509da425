"""An approval on the page outlives the agent's process, which is killed between asking and approving."""

import signal
import sys
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.command import Command, running
from tests.frontend.chat_page import PAGE, ask
from tests.frontend.lasting_agent import APPLY, card, open_page
from tests.frontend.page_switch import PageSwitch
from tests.loopback import free_port
from tests.suite import Sandbox

AGENT = str(Path(sys.executable).with_name("idaas-agent"))


async def ready(agent: Command) -> None:
    await agent.says("startup complete")


@pytest.mark.promise("approval-binds")
async def test_approval_is_still_there_after_the_agent_was_killed(
    page: Page, page_switch: tuple[PageSwitch, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    port = free_port()
    variables = sandbox.environment | {
        "ACCESS_IDENTITY": "Human",
        "AGENT_PORT": str(port),
        "CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db",
        "CORS_ALLOWED_ORIGINS": PAGE.rstrip("/"),
    }
    page_switch[0].configure_for(f"http://127.0.0.1:{port}")
    async with running(AGENT, "serve", folder=tmp_path, **variables) as killed:
        await ready(killed)
        await open_page(page, sandbox)
        await ask(page, APPLY)
        await card(page).wait_for()
        killed.send_signal(signal.SIGKILL)
        assert await killed.ends() == -signal.SIGKILL
    approve = card(page).get_by_role("button", name="Approve")
    await approve.click()
    await expect(card(page).get_by_role("alert")).to_contain_text("The agent could not be reached")

    async with running(AGENT, "serve", folder=tmp_path, **variables) as started:
        await ready(started)
        await page.reload()
        await expect(page.get_by_role("article", name="You")).to_have_text(APPLY)
        await approve.click()
        answer = page.get_by_role("article", name="Agent")
        await expect(answer).to_contain_text("Applied for 3 days")
        await expect(answer.locator("details.tool-ok")).to_contain_text('"employee":"alice"')
        started.send_signal(signal.SIGTERM)
    assert sandbox.cloud.counters.snapshot()["function_compute:leave_applied"] == 1
