"""A page that browsers may not let call the agent is named to the operator."""

import logging

import httpx
import pytest
from starlette.responses import PlainTextResponse

from agent.http.cross_origin import PageOrigins

PAGE = "https://chat.example"
ASKED = {"Access-Control-Request-Method": "POST"}


@pytest.fixture
def client(caplog: pytest.LogCaptureFixture) -> httpx.AsyncClient:
    caplog.set_level(logging.WARNING, "idaas_agent.cors")
    app = PageOrigins(PlainTextResponse("served"), allow_origins=[PAGE], allow_methods=["POST"])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent.example")


async def test_refused_origin_is_named_once_with_the_variable(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        refused = await client.options("/", headers={"Origin": "https://chat.exampel", **ASKED})
        assert (refused.status_code, "access-control-allow-origin" in refused.headers) == (400, False)
        assert "CORS_ALLOWED_ORIGINS" in refused.text
    assert len(caplog.messages) == 1
    assert "https://chat.exampel" in caplog.text
    assert "CORS_ALLOWED_ORIGINS" in caplog.text


async def test_admitted_origin_is_not_named(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    admitted = await client.options("/", headers={"Origin": PAGE, **ASKED})
    assert admitted.headers["access-control-allow-origin"] == PAGE
    assert caplog.messages == []


async def test_origins_of_others_cannot_fill_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(120):
        await client.options("/", headers={"Origin": f"https://{number}.example/{'x' * 1000}\x1b", **ASKED})
    assert len(caplog.messages) == 100
    assert max(map(len, caplog.messages)) < 400
    assert "\x1b" not in caplog.text
