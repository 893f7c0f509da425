"""Aegra serves everybody as one user if its auth handler does not load. The agent's does not start then."""

import json
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from plugins.aegra.tests.apart.aegra_process import ROOT, Aegra

pytestmark = pytest.mark.promise("verified-caller")

_BROKEN = "raise RuntimeError('broken')\n"
_OTHER = "from langgraph_sdk import Auth\nauth = Auth()\n"
_COPY = """
from langgraph_sdk import Auth
auth = Auth()

@auth.authenticate
async def authenticate(headers):
    return {"identity": "anybody"}
"""

CASES: dict[str, dict[str, Any] | None] = {
    "missing": {"path": "./missing.py:auth"},
    "broken": {"path": "./broken.py:auth"},
    "without a handler": {"path": "./other.py:auth"},
    "with another handler": {"path": "./copy.py:auth"},
    "of another name": {"path": f"{ROOT}/agent/api/langgraph/entry.py:agent"},
    "not configured": None,
}


def config(folder: Path, auth: dict[str, Any] | None) -> Path:
    """The project's configuration with another `auth`."""
    folder.mkdir()
    for name, text in (("broken", _BROKEN), ("other", _OTHER), ("copy", _COPY)):
        (folder / f"{name}.py").write_text(text)
    given = json.loads((ROOT / "aegra.json").read_text().replace('"./', f'"{ROOT}/'))
    given.pop("auth")
    file = folder / "aegra.json"
    file.write_text(json.dumps(given | ({} if auth is None else {"auth": auth})))
    return file


@pytest.mark.timeout(1800)
def test_process_does_not_start_unless_the_auth_handler_is_in_force(
    aegra_server: Aegra, tmp_path: Path
) -> None:
    ended = []
    for name, auth in CASES.items():  # one after another: seven at once are late on a busy machine
        file = config(tmp_path / name.replace(" ", "-"), auth)
        ended.append(process := aegra_server.start(wait=False, AEGRA_CONFIG=str(file)))
        assert process.process.wait(240) != 0, name
        assert "auth handler" in process.log.rpartition("Traceback")[2], (name, process.log[-2000:])
    ended.append(keyless := aegra_server.start(wait=False, SEAL_KEY_FILE=""))
    assert keyless.process.wait(240) != 0
    assert "SEAL_KEY_FILE and REDIS_URL must be set" in keyless.log
    for process in ended:
        with socket.socket() as free:  # nothing listens there
            free.bind(("127.0.0.1", process.port))


async def test_request_without_a_valid_token_reaches_no_route(aegra_server: Aegra) -> None:
    async with httpx.AsyncClient(base_url=aegra_server.url) as client:
        for headers in ({}, {"Authorization": "Bearer x"}, {"type": "http", "headers": "x"}):
            for method, path in (("GET", "/info"), ("POST", "/threads"), ("GET", "/docs"), ("GET", "/")):
                response = await client.request(method, path, headers=headers)
                assert response.status_code == 401, (method, path)
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert (await client.get("/ok")).json() == {"ok": True}
