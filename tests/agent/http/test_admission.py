"""Which admissions are recorded: each one, but of those that only read the caller's own list one an hour."""

import json
from pathlib import Path

import httpx
import pytest

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("on-record")


async def test_what_an_open_page_reads_is_counted_and_recorded_once_an_hour(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    log, database = tmp_path / "audit.jsonl", f"sqlite:///{tmp_path}/threads.db"
    variables = {"AUDIT_LOG_FILE": str(log), "AUDIT_REQUIRED": "true", "CONVERSATIONS_URL": database}
    settings = read_settings(sandbox.environment | variables)
    agent = Agent(settings, clock=sandbox.clock)
    transport = httpx.ASGITransport(create_app(settings, agent))
    headers = {"Authorization": f"Bearer {sandbox.access_token('alice', lifetime=7200)}"}

    def recorded() -> list[str]:
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        return [line["outcome"] for line in lines if line["event"] == "authentication"]

    async with httpx.AsyncClient(transport=transport, base_url="http://agent", headers=headers) as http:
        for path in ("/threads?limit=50", "/approvals") * 20:
            assert (await http.get(path)).status_code == 200
        assert recorded() == ["succeeded"]
        for path in ("/threads", "/approvals"):
            assert sum(agent.measures.requests.seconds.values["GET", path, "200"][:-1]) == 20
        for path in ("/threads/one", "/threads/export"):
            assert (await http.get(path)).status_code in (200, 404)
        await http.post("/threads", json={})
        assert recorded() == ["succeeded"] * 4
        sandbox.clock.advance(3600)
        for _ in range(2):
            assert (await http.get("/threads")).status_code == 200
        assert recorded() == ["succeeded"] * 5
        other = {"Authorization": f"Bearer {sandbox.access_token('alice', lifetime=77)}"}
        assert (await http.get("/threads", headers=other)).status_code == 200
        sandbox.clock.advance(4000)
        for _ in range(2):
            assert (await http.get("/threads")).status_code == 401
        assert recorded() == ["succeeded"] * 6 + ["refused"] * 2
    await agent.aclose()
