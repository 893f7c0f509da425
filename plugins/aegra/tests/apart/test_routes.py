"""The routes of Aegra: each is registered, and what the guard does not list is closed."""

import json
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from plugins.aegra.guarded_application import PUBLIC, ROUTES
from plugins.aegra.tests.apart.aegra_process import PYTHON, ROOT, Aegra
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("verified-caller")

REGISTER = json.loads((ROOT / "plugins" / "aegra" / "tests" / "aegra_routes.json").read_text())


def test_every_route_is_registered_as_the_guard_has_it(aegra_server: Aegra) -> None:
    program = Path(__file__).with_name("route_table.py")
    table = subprocess.run(  # noqa: S603 - our own command
        [PYTHON, program], check=True, capture_output=True, text=True, env=aegra_server.environment, cwd=ROOT
    )
    routes = re.findall(r"^[A-Z]+ /\S*$", table.stdout, re.MULTILINE)  # among the lines of its log
    assert sorted(routes) == sorted(route for routes in REGISTER.values() for route in routes)
    assert set(REGISTER["protected"]) == set(ROUTES) | {"GET /info", "GET /openapi.json"}
    assert {route.split(" ")[1] for route in REGISTER["public"]} == PUBLIC


async def test_closed_routes_are_closed_for_verified_callers_too(
    aegra_server: Aegra, sandbox: Sandbox
) -> None:
    alice = {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    async with httpx.AsyncClient(base_url=aegra_server.url, headers=alice) as client:
        for route in REGISTER["closed"]:
            method, path = route.split(" ")
            for asked in (path, f"{path}/", f"//{path}", f"{path}%2f", f"/x/..{path}"):
                response = await client.request(method, asked, json=None if method == "GET" else {})
                assert response.status_code == 404, (method, asked)
                assert response.json()["error"]["message"] == "no such route"
