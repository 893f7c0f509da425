"""Paths without a file or route are a 4xx, whichever error the operating system raises."""

import re
from itertools import product

import httpx
import pytest

from tests.agent.conftest import running_agent
from tests.security.test_routes import AGENT
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("bounded")

PIECES = (
    "%00", "%00/etc/passwd", "assets", "index.html/x", "index.html%00", "a" * 300, "a" * 5000, "%ff%fe",
    "%ed%a0%80", "%2e%2e", "..%2f..%2f..", "%0d%0aX:y", "%1b%5b31m", "%e2%80%ae", "%5c", "~root", "{", "%22",
)  # fmt: skip


async def test_hostile_path_parameter_is_a_404(sandbox: Sandbox) -> None:
    routes = [route.split(" ") for route in AGENT["protected"] if "{" in route]
    assert routes
    with running_agent(sandbox, MAX_REQUESTS_PER_MINUTE="0") as server:
        async with server.client() as http:
            for piece, (method, path) in product(PIECES, routes):
                raw = re.sub(r"\{[^}]*\}", lambda _, piece=piece: piece, path)
                url = httpx.URL(server.url).copy_with(raw_path=raw.encode())
                response = await http.request(method, url, json={} if method == "POST" else None)
                assert response.status_code < 500, (method, path, piece[:20])
