"""Readiness: every result of a check is reported, a fault of the agent too."""

import httpx
import pytest
from fastapi import FastAPI

from agent.api.public_routes import public_routes
from agent.errors.error_codes import AgentCode
from agent.operations.readiness import Readiness
from agent.settings.settings import Settings, read_settings
from identity.errors import UnavailableError
from tests.suite import Sandbox


async def passes() -> None:
    """The check of a part that works."""


async def fails() -> None:
    raise LookupError("canary: the text of a fault may contain a secret")


@pytest.fixture
def settings(sandbox: Sandbox) -> Settings:
    return read_settings(sandbox.environment)


async def test_check_with_an_unexpected_exception_is_503_with_a_code(settings: Settings) -> None:
    app = FastAPI()
    app.include_router(public_routes(settings, Readiness({"broken": fails, "other": passes})))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
        response = await client.get("/ready")
    assert response.status_code == 503
    assert response.json()["checks"] == {
        "broken": {"ok": False, "code": "internal_error"},
        "other": {"ok": True},
    }


async def test_unexpected_exception_is_logged_by_type_and_place(caplog: pytest.LogCaptureFixture) -> None:
    failures = await Readiness({"broken": fails}).failures()
    assert failures["broken"] is not None
    assert failures["broken"].code is AgentCode.INTERNAL_ERROR
    line, report = [
        record.getMessage() for record in caplog.records if record.name == "idaas_agent.readiness"
    ]
    assert line.startswith('check "broken" raised LookupError at ')
    assert report == "not ready: internal_error: the check raised LookupError"
    assert "test_readiness.py:" in line
    assert "canary" not in line


async def test_unexpected_exception_of_the_warm_up_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    await Readiness({"works": passes}).warm_up(fails)
    lines = [record.getMessage() for record in caplog.records if record.name == "idaas_agent.readiness"]
    assert [line.partition(" at ")[0] for line in lines] == ["warm-up raised LookupError"]


async def test_failure_of_an_optional_check_is_reported_and_keeps_the_agent_in_service(settings):
    app = FastAPI()
    app.include_router(public_routes(settings, Readiness({"works": passes}, optional={"broken": fails})))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
        response = await client.get("/ready")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["broken"]["ok"] is False


async def test_warm_up_does_not_wait_for_an_optional_check(caplog: pytest.LogCaptureFixture) -> None:
    listed = []

    async def lists() -> None:
        listed.append(True)

    await Readiness({"works": passes}, optional={"broken": fails}).warm_up(lists)
    assert listed
    assert "degraded: internal_error" in caplog.text


async def test_failure_and_its_end_are_one_line_of_the_log_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "idaas_agent.readiness")
    failures = [UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "its disk is full")] * 3

    async def check() -> None:
        if failures:
            raise failures.pop()

    readiness = Readiness({}, optional={"conversations": check}, remembered_seconds=0)
    for _ in range(5):
        await readiness.failures()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "degraded: conversations_unavailable: its disk is full"),
        ("INFO", 'check "conversations" succeeds again'),
    ]
    assert caplog.records[0].fields["remedy"]  # type: ignore[attr-defined]  # set by the logger of the agent
