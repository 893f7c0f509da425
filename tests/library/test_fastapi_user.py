"""`Depends(identity.user)`: the caller of a request, for whom its code acts until the response is sent."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse

from idaas_agent import Caller, Identity
from sandbox.faults.faults import Fault
from tests.suite import Sandbox

ROOT = Path(__file__).parents[2]


@dataclass
class Application:
    """An application, and for whom its code acted at other moments than those of its responses."""

    app: FastAPI
    noted: dict[str, str | None] = field(default_factory=dict)
    left: list[asyncio.Task[None]] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://app.test")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def application(identity: Identity) -> Application:
    app = FastAPI()
    made = Application(app)
    user_of_request = Annotated[Caller, Depends(identity.user)]

    async def acting() -> str | None:
        caller = await identity.caller_of_run()
        return None if caller is None else caller.principal.subject

    async def note(moment: str) -> None:
        made.noted[moment] = await acting()

    @app.get("/me")
    async def me(user: user_of_request, background: BackgroundTasks) -> Any:
        background.add_task(note, "background")
        await asyncio.sleep(0)
        return {"user": user.subject, "acting": await acting()}

    @app.get("/stream")
    async def stream(user: user_of_request) -> StreamingResponse:
        async def lines() -> AsyncIterator[str]:
            yield f"{user.subject} "
            yield f"{await acting()}"

        return StreamingResponse(lines())

    @app.get("/leaves-a-task")
    async def leave_a_task(user: user_of_request) -> Any:
        async def later() -> None:
            await made.answered.wait()
            await note("later")

        made.left.append(asyncio.create_task(later()))
        return {"user": user.subject}

    @app.get("/open")
    async def without_a_caller() -> Any:
        return {"acting": await acting()}

    @app.get("/within")
    async def within(user: user_of_request, token: str) -> Any:
        async with made.client() as client:
            inner = (await client.get("/me", headers=bearer(token))).json()
        return {"user": user.subject, "inner": inner, "acting": await acting()}

    return made


@pytest.fixture
def subject(sandbox: Sandbox) -> Any:
    return lambda user: sandbox.cloud.directory.users[user].subject


@pytest.mark.promise("verified-caller")
async def test_code_of_a_request_acts_for_its_caller(
    sandbox: Sandbox, application: Application, subject: Any
) -> None:
    async with application.client() as client:
        for user in ("alice", "bob"):
            answered = await client.get("/me", headers=bearer(sandbox.access_token(user)))
            assert answered.json() == {"user": subject(user), "acting": subject(user)}
            assert application.noted == {"background": subject(user)}


async def test_streamed_response_is_made_for_its_caller(
    sandbox: Sandbox, application: Application, subject: Any
) -> None:
    async with application.client() as client:
        answered = await client.get("/stream", headers=bearer(sandbox.access_token("alice")))
    assert answered.text == f"{subject('alice')} {subject('alice')}"


@pytest.mark.promise("users-never-cross")
async def test_caller_is_none_of_the_next_request(
    sandbox: Sandbox, application: Application, identity: Identity
) -> None:
    async with application.client() as client:
        await client.get("/me", headers=bearer(sandbox.access_token("alice")))
        assert (await client.get("/open")).json() == {"acting": None}
    assert await identity.caller_of_run() is None


@pytest.mark.promise("users-never-cross")
async def test_request_within_a_request_has_its_own_caller(
    sandbox: Sandbox, application: Application, subject: Any
) -> None:
    params = {"token": sandbox.access_token("bob")}
    async with application.client() as client:
        answered = await client.get("/within", headers=bearer(sandbox.access_token("alice")), params=params)
    assert answered.json() == {
        "user": subject("alice"),
        "inner": {"user": subject("bob"), "acting": subject("bob")},
        "acting": subject("alice"),
    }


@pytest.mark.promise("users-never-cross")
async def test_task_that_outlives_its_request_acts_for_nobody(
    sandbox: Sandbox, application: Application, identity: Identity
) -> None:
    async with application.client() as client, identity.acting_for(sandbox.access_token("bob")):
        await client.get("/leaves-a-task", headers=bearer(sandbox.access_token("alice")))
        application.answered.set()
        await asyncio.gather(*application.left)
    assert application.noted == {"later": None}


@pytest.mark.promise("users-never-cross")
async def test_twenty_requests_at_once_never_cross(
    sandbox: Sandbox, application: Application, subject: Any
) -> None:
    users = ["alice", "bob"] * 10
    async with application.client() as client:
        requests = (client.get("/me", headers=bearer(sandbox.access_token(user))) for user in users)
        answers = await asyncio.gather(*requests)
    assert [each.json()["acting"] for each in answers] == [subject(user) for user in users]


@pytest.mark.promise("verified-caller")
@pytest.mark.parametrize(
    ("headers", "status", "parts"),
    [
        ({}, 401, []),
        ({"Authorization": "Basic dTpw"}, 401, []),
        (bearer("canary.token.value"), 401, ['error="invalid_token"']),
        ("expired", 401, ['error="invalid_token"']),
        ("of another audience", 401, ['error="invalid_token"']),
        ("without the scope", 403, ['error="insufficient_scope"']),
    ],
    ids=str,
)
async def test_request_without_a_caller_is_challenged(
    sandbox: Sandbox, application: Application, headers: Any, status: int, parts: list[str]
) -> None:
    tokens = {
        "expired": lambda: sandbox.access_token(exp=int(sandbox.clock()) - 3600),
        "of another audience": lambda: sandbox.access_token(aud="https://other.example.com"),
        "without the scope": lambda: sandbox.access_token(scope="other.read"),
    }
    given = bearer(tokens[headers]()) if isinstance(headers, str) else headers
    async with application.client() as client:
        answered = await client.get("/me", headers=given)
    challenge = answered.headers["www-authenticate"]
    assert answered.status_code == status
    assert challenge.startswith('Bearer realm="idaas-agent"')
    assert challenge.endswith(f'scope="{sandbox.environment["AGENT_AUDIENCE"]}|agent.access"')
    assert all(part in challenge for part in parts)
    assert ("error=" in challenge) == bool(parts)
    assert "canary" not in f"{answered.text} {challenge}"


async def test_two_tokens_of_one_request_are_refused(sandbox: Sandbox, application: Application) -> None:
    headers = [("Authorization", f"Bearer {sandbox.access_token()}")] * 2
    async with application.client() as client:
        assert (await client.get("/me", headers=headers)).status_code == 401


async def test_callers_that_cannot_be_verified_now_are_asked_to_wait(
    sandbox: Sandbox, application: Application
) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=503))
    async with application.client() as client:
        answered = await client.get("/me", headers=bearer(sandbox.access_token()))
    assert (answered.status_code, answered.headers["retry-after"]) == (503, "5")
    assert "www-authenticate" not in answered.headers


def test_socket_and_synchronous_clients_of_tests_have_callers(
    sandbox: Sandbox, variables: dict[str, str], subject: Any
) -> None:
    """Each request of Starlette's client has an event loop of its own, unless the client is entered."""
    identity = Identity.from_env(variables, clock=sandbox.clock)
    app = FastAPI()
    user_of_request = Annotated[Caller, Depends(identity.user)]

    @app.get("/me")
    def me(user: user_of_request) -> Any:
        return {"user": user.subject}

    @app.websocket("/socket")
    async def socket(connection: WebSocket, user: user_of_request) -> None:
        await connection.accept()
        caller = await identity.caller_of_run()
        await connection.send_json({"user": user.subject, "acting": caller and caller.principal.subject})
        await connection.close()

    client, headers = TestClient(app), bearer(sandbox.access_token("alice"))
    for _ in range(2):
        assert client.get("/me", headers=headers).json() == {"user": subject("alice")}
    with client:
        assert client.get("/me", headers=headers).json() == {"user": subject("alice")}
        with client.websocket_connect("/socket", headers=headers) as opened:
            assert opened.receive_json() == {"user": subject("alice"), "acting": subject("alice")}
        with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/socket"):
            pytest.fail("it was opened")
