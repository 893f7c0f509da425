"""The guard around an application to which routes are added, as Aegra adds its own."""

import json
import os
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from langgraph_sdk import Auth

from agent.api.langgraph.admitted_request import ADMITTED, AdmittedRequest
from agent.api.langgraph.authorization import auth, authenticate, own_threads
from agent.api.langgraph.entry import auth as exported
from agent.api.langgraph.sealed_callers import SEALED, USER_DEVICE
from agent.api.langgraph.server_agent import agent_of_this_loop
from agent.errors.error_codes import AgentCode
from identity.errors import ConfigurationError, UnavailableError
from plugins.aegra.guarded_application import PUBLIC, ROUTES, GuardedApplication, allows, fault_of, require
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("verified-caller")

ALICE = "user_alice01"
RUN = {"assistant_id": "agent", "input": {"messages": [{"type": "human", "content": "hi"}]}}


class Aegra:
    """The application, and what reached its routes."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self.threads = {"mine": ALICE}
        self.received: list[Any] = []
        self.application = GuardedApplication(lambda: self.fault)
        self.application.add_api_route("/threads/{thread}", self.thread)
        self.application.add_api_route("/threads/{thread}/state", self.state)
        self.application.add_api_route("/{path:path}", self.route, methods=["GET", "POST", "DELETE", "PUT"])

    async def user(self, request: Request) -> dict[str, Any]:
        """As Aegra asks its handler: with one dictionary of the headers."""
        return dict(await authenticate(dict(request.headers)))

    async def thread(self, thread: str, request: Request) -> JSONResponse:
        owned = self.threads.get(thread) == (await self.user(request))["identity"]
        content = {"thread_id": thread, "status": "interrupted"} if owned else {}
        return JSONResponse(content, 200 if owned else 404)

    async def state(self, thread: str) -> dict[str, Any]:  # noqa: ARG002 - a parameter of the path
        return {"tasks": [{"id": "task", "interrupts": [{"id": "a" * 32}]}]}

    async def route(self, request: Request) -> JSONResponse:
        body = await request.body()
        content = {
            "user": await self.user(request),
            "headers": sorted(request.headers),
            "body": json.loads(body) if body else None,
        }
        self.received.append(content)
        return JSONResponse(content, headers={"Access-Control-Allow-Origin": "*"})


@pytest.fixture
def aegra() -> Aegra:
    return Aegra()


@pytest.fixture
async def http(
    aegra: Aegra, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    for name, value in (sandbox.environment | {"CONVERSATIONS_URL": "none"}).items():
        monkeypatch.setitem(os.environ, name, value)
    transport = httpx.ASGITransport(aegra.application, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://server", headers=headers) as client:
        yield client
    await (await agent_of_this_loop()).aclose()


async def test_verified_caller_reaches_the_handler_without_their_token(http: httpx.AsyncClient) -> None:
    response = await http.get("/threads", headers={"Origin": "https://foreign.example", "X-Api-Key": ""})
    assert response.status_code == 401  # two headers for a token
    response = await http.get("/threads", headers={"Origin": "https://foreign.example", "User-Agent": "A"})
    content = response.json()
    assert content["user"] == {"identity": ALICE, "is_authenticated": True, USER_DEVICE: "A", SEALED: {}}
    assert not {"authorization", "x-api-key", "origin"} & set(content["headers"])
    assert "Access-Control-Allow-Origin" not in response.headers


async def test_no_request_is_served_while_the_handler_is_not_in_force(
    aegra: Aegra, http: httpx.AsyncClient
) -> None:
    aegra.fault = "Aegra has loaded no auth handler"
    for method, path in (("GET", "/ok"), ("GET", "/info"), ("POST", "/threads"), ("OPTIONS", "/threads")):
        response = await http.request(method, path, headers={"Origin": "http://localhost:9001"})
        assert response.status_code == 503, path
        assert "Aegra" not in response.text
    assert aegra.received == []


async def test_only_listed_routes_are_open(aegra: Aegra, http: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/metrics"),
        ("PUT", "/store/items"),
        ("POST", "/runs/crons"),
        ("POST", "/threads/mine/runs/crons"),
        ("POST", "/threads/mine/state"),
        ("POST", "/threads/prune"),
        ("DELETE", "/assistants/agent"),
        ("GET", "/threads/mine/../../store/items"),
    ):
        assert (await http.request(method, path)).status_code == 404, path
    assert aegra.received == []


def test_every_listed_route_is_allowed_and_none_is_public() -> None:
    for route in ROUTES:
        method, path = route.split(" ")
        assert allows({"method": method, "path": path})
        assert path not in PUBLIC


async def test_runs_of_another_thread_are_not_listed(http: httpx.AsyncClient) -> None:
    assert (await http.get("/threads/mine/runs")).status_code == 200
    assert (await http.get("/threads/theirs/runs")).status_code == 404


async def test_errors_of_the_server_have_the_agents_body_and_show_no_internals(
    aegra: Aegra, http: httpx.AsyncClient
) -> None:
    async def fails(kind: str) -> None:
        if kind == "unknown":
            raise HTTPException(404, "Run 'x' not found")
        if kind == "away":
            raise UnavailableError(AgentCode.REDIS_UNAVAILABLE, "Redis failed")
        raise HTTPException(500, "canary") if kind == "fault" else RuntimeError("canary")

    aegra.application.router.routes.clear()
    aegra.application.add_api_route("/assistants/{kind}", fails)
    for kind, status, code in [
        ("unknown", 404, "not_found"),
        ("away", 503, "redis_unavailable"),
        ("fault", 500, "internal_error"),
        ("bug", 500, "internal_error"),
    ]:
        response = await http.get(f"/assistants/{kind}")
        assert (response.status_code, response.json()["error"]["code"]) == (status, code)
        assert response.json()["error"]["request_id"] == response.headers["X-Request-Id"]
        assert "canary" not in response.text


async def test_run_is_reduced_to_what_a_client_may_give(aegra: Aegra, http: httpx.AsyncClient) -> None:
    forged = {
        "langgraph_auth_user": {"identity": "user_bob01"},
        "user_id": "user_bob01",
        "thread_id": "theirs",
    }
    given = RUN | {
        "config": {"configurable": forged | {"checkpoint_id": "c"}, "recursion_limit": 7, "run_id": "r"},
        "context": {"kept": False, "access_token": "x"},
        "checkpoint": {"checkpoint_id": "d", "thread_id": "theirs"},
        "metadata": {"note": "mine", "nested": {"token": "x"}, "long": "x" * 513},
        "durability": "exit",
        "webhook": "https://theirs.example",
    }
    assert (await http.post("/threads/mine/runs", json=given)).status_code == 200
    [received] = aegra.received
    assert received["body"] == RUN | {
        "config": {"recursion_limit": 7},
        "context": {"kept": True},
        "checkpoint": {"checkpoint_id": "d"},
        "metadata": {"note": "mine"},
        "on_disconnect": "continue",
    }


async def test_run_without_input_continues_the_thread(aegra: Aegra, http: httpx.AsyncClient) -> None:
    await http.post("/threads/mine/runs/stream", json={"assistant_id": "agent", "input": None})
    [received] = aegra.received
    assert ("input" in received["body"], received["body"]["checkpoint"]) == (False, {})


async def test_run_without_a_thread_is_not_kept(aegra: Aegra, http: httpx.AsyncClient) -> None:
    for more, kept in (({}, False), ({"on_completion": "keep"}, True)):
        await http.post("/runs/wait", json=RUN | more)
        assert aegra.received.pop()["body"]["context"] == {"kept": kept}


async def test_commands_start_runs_of_the_callers_threads_only(aegra: Aegra, http: httpx.AsyncClient) -> None:
    start = {"id": 1, "method": "run.start", "params": {"assistant_id": "agent", "input": RUN["input"]}}
    assert (await http.post("/threads/mine/commands", json=start)).status_code == 200
    assert aegra.received.pop()["body"]["params"]["context"] == {"kept": True}
    other = start | {"method": "input.respond", "params": {"interrupt_id": "a" * 32, "response": {}}}
    assert (await http.post("/threads/theirs/commands", json=other)).status_code == 404
    unknown = (await http.post("/threads/mine/commands", json=start | {"method": "agent.getTree"})).json()
    assert (unknown["id"], unknown["error"]) == (1, "unknown_command")


async def test_run_is_created_only_by_a_request_whose_body_was_checked(http: httpx.AsyncClient) -> None:
    caller = await (await agent_of_this_loop()).admission.admit([http.headers["Authorization"]])
    token = ADMITTED.set(AdmittedRequest(caller, sealed=True))
    try:
        user: Any = await authenticate({})
        context: Any = Auth.types.AuthContext(
            user=user, permissions=[], resource="threads", action="create_run"
        )
        with pytest.raises(Auth.exceptions.HTTPException) as refused:
            await own_threads(context, {"thread_id": "mine"})
        assert refused.value.status_code == 403
    finally:
        ADMITTED.reset(token)


pytestmark = pytest.mark.promise("verified-caller")


def test_exported_handler_is_in_force() -> None:
    assert fault_of(SimpleNamespace(auth_instance=exported)) is None
    require(SimpleNamespace(auth_instance=auth))


@pytest.mark.parametrize("loaded", [None, Auth(), "auth"])
def test_every_other_handler_is_a_fault(loaded: Any) -> None:
    with pytest.raises(ConfigurationError, match="settings_invalid"):
        require(SimpleNamespace(auth_instance=loaded))
    assert fault_of(object()) is not None
