"""Paths without a file or route are a 4xx, whichever error the operating system raises."""

import re

import httpx
import pytest

from tests.agent.conftest import AgentServer
from tests.security.test_routes import AGENT

pytestmark = pytest.mark.promise("bounded")

PIECES = (
    "%00", "%00/etc/passwd", "assets", "index.html/x", "index.html%00", "a" * 300, "a" * 5000, "%ff%fe",
    "%ed%a0%80", "%2e%2e", "..%2f..%2f..", "%0d%0aX:y", "%1b%5b31m", "%e2%80%ae", "%5c", "~root", "{", "%22",
)  # fmt: skip


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece[:20])
async def test_hostile_path_parameter_is_a_404(agent_server: AgentServer, piece: str) -> None:
    routes = [route.split(" ") for route in AGENT["protected"] if "{" in route]
    assert routes
    async with agent_server.client() as http:
        for method, path in routes:
            raw = re.sub(r"\{[^}]*\}", lambda _: piece, path)
            url = httpx.URL(agent_server.url).copy_with(raw_path=raw.encode())
            response = await http.request(method, url, json={} if method == "POST" else None)
            assert response.status_code < 500, (method, path)
            if path == "/agent/playground/{file_path:path}":
                assert response.status_code == 404


async def test_playground_serves_its_files(agent_server: AgentServer) -> None:
    async with agent_server.client() as http:
        page = await http.get("/agent/playground/")
        assert page.status_code == 200
        (script,) = re.findall(r'src="/?(agent/playground/assets/[^"]+\.js)"', page.text)
        assert (await http.get(f"/{script}")).status_code == 200
