"""The referee of Aegra's authentication, without Aegra: whose token a test's made-up one becomes."""

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from plugins.aegra.tests.auth_referee import presented, proxy


@pytest.mark.parametrize(
    ("sent", "header"),
    [
        ("Bearer mock-jwt-alice-admin-team1", "Bearer token of alice"),
        ("Bearer mock-jwt-bob-user", "Bearer token of bob"),
        ("Bearer mock-jwt-nobody-user", "Bearer token of bob"),
        ("Bearer other", "Bearer other"),
        ("mock-jwt-alice-user", "mock-jwt-alice-user"),
    ],
)
def test_made_up_token_becomes_that_of_its_user_and_nothing_else_changes(sent: str, header: str) -> None:
    assert presented(sent, {"alice", "bob"}, lambda user: f"token of {user}") == header


async def test_proxy_passes_on_all_but_the_authorization(serve: Any) -> None:
    async def told(request: Request) -> Response:
        seen = [request.method, request.url.query, request.headers["authorization"], await request.json()]
        return JSONResponse(seen, 409, {"X-Told": "yes"})

    url = await serve(Starlette(routes=[Route("/threads", told, methods=["PATCH"])]))
    with proxy(url, str.upper) as address:
        async with httpx.AsyncClient(base_url=address) as http:
            headers = {"Authorization": "bearer a"}
            response = await http.patch("/threads", params={"limit": 1}, json={"a": 1}, headers=headers)
    assert response.json() == ["PATCH", "limit=1", "BEARER A", {"a": 1}]
    assert (response.status_code, response.headers["X-Told"]) == (409, "yes")
