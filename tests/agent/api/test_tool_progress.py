"""A tool that reports how far it is: people see it on every surface, and the model does not."""

import json
from pathlib import Path

from tests.agent.api.threads.served_threads import CHAT, ThreadsOf
from tests.every_surface import of_plugins
from tests.graph.scripted_model import DONE, calls
from tests.security.surfaces import ag_ui

TOOL = '''
from idaas_agent import progress


def service(reports, settings):
    @reports.tool
    async def sales_report(http, month: str) -> str:
        """Makes the sales report of a month."""
        for page in range(8):
            progress(page / 8, f"page {page} of 8")
        progress(None, "printing")
        return "ready"
'''
SERVICES = (
    '[services.reports]\ntype = "http"\nurl = "https://reports.example"\npython = "reports.py:service"\n'
)
REPORT = calls(("sales_report", {"month": "2026-10"}))


async def test_people_see_how_far_a_tool_is_and_the_model_does_not(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    (tmp_path / "reports.py").write_text(TOOL)
    (tmp_path / "services.toml").write_text(SERVICES)
    surfaces = [(ag_ui, "idaas-agent:tool_progress"), *of_plugins("PROGRESS")]
    turns = [REPORT, DONE] * (1 + len(surfaces))
    served = await threads(turns, SERVICES_FILE=str(tmp_path / "services.toml"))
    body = {"messages": [{"role": "user", "content": "Report"}], "stream": True}
    text = (await served.ask("POST", CHAT, body=body)).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    events = [chunk["agent_event"] for chunk in chunks if "agent_event" in chunk]
    shown = [(each["progress"], each["message"]) for each in events if each["type"] == "tool_progress"]
    results = [each["result"] for each in events if each["type"] == "tool_finished"]

    assert shown == [*[(page / 8, f"page {page} of 8") for page in range(8)], (None, "printing")]
    assert results == ["ready"]
    assert "page" not in "".join(str(message) for message in served.model.asked[-1])
    for surface, found in surfaces:
        response = await surface(served, "Report", served.headers())
        [line] = [line for line in response.text.splitlines() if "page 3 of 8" in line]
        assert found in line
