"""A caller is verified again after the body of their request: a body may arrive long after its headers."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from identity.access_token.revocation import Origin, Revocation, Target
from tests.every_surface import of_plugins
from tests.suite import Sandbox

pytestmark = [pytest.mark.promise("revoked-refused"), pytest.mark.promise("verified-caller")]

ROUTES = [
    ("POST", "/threads"),
    ("PATCH", "/threads/none"),
    ("DELETE", "/threads"),
    ("POST", "/threads/none/cancel"),
    ("POST", "/ag-ui/agent"),
    ("POST", "/agent/batch"),
    ("POST", "/openai/v1/chat/completions"),
    *of_plugins("ROUTES"),
]
"""One of each kind; the body is read in one place for all of them."""


async def revoked(agent: Agent, sandbox: Sandbox) -> str:
    now = sandbox.clock()
    await agent.revocation.put([Revocation(Target.USER, "user_alice01", Origin.OPERATOR, now, now)])
    return "access_revoked"


async def expired(_: Agent, sandbox: Sandbox) -> str:
    sandbox.clock.advance(1200 + 31)
    return "access_token_invalid"


@pytest.mark.parametrize("ends", [revoked, expired])
async def test_request_whose_body_arrives_after_the_end_of_its_token_is_refused(
    sandbox: Sandbox, tmp_path: Path, ends: Callable[[Agent, Sandbox], Awaitable[str]]
) -> None:
    log = tmp_path / "audit.jsonl"
    settings = read_settings(
        sandbox.environment
        | {
            "AUDIT_LOG_FILE": str(log),
            "CONVERSATIONS_URL": f"sqlite:///{tmp_path}/threads.db",
            "REVOCATIONS_FILE": str(tmp_path / "revocations.sqlite"),
        }
    )
    agent = Agent(settings, clock=sandbox.clock)
    transport = httpx.ASGITransport(create_app(settings, agent))
    code = ""

    async def body() -> AsyncIterator[bytes]:
        nonlocal code
        yield b"{"
        code = await ends(agent, sandbox)
        yield b"}"

    async with httpx.AsyncClient(transport=transport, base_url="http://agent") as http:
        for method, path in ROUTES:
            headers = {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
            refused = await http.request(method, path, headers=headers, content=body())
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, code), path
            assert 'error="invalid_token"' in refused.headers["www-authenticate"]
            sandbox.clock.advance(1)  # a token that is issued after the revocation is accepted
    await agent.aclose()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    callers = [(line["outcome"], line.get("error")) for line in lines if line["event"] == "authentication"]
    assert callers == [("succeeded", None), ("refused", code)] * len(ROUTES)
