"""The routes of all surfaces as one table: of those that match a request, the first one serves it."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

from agent.api.route_table import add_routes


class CountedRoute(APIRoute):
    """A route that counts how often it is asked."""

    asked = 0

    def matches(self, scope: Any) -> Any:
        CountedRoute.asked += 1
        return super().matches(scope)


def router_of(**answers: str) -> APIRouter:
    """GET of each path, where `_` is a slash and `any` a parameter, answers with the text."""
    router = APIRouter(route_class=CountedRoute)
    for name, text in answers.items():
        path = name.replace("_", "/").replace("any", "{any}")
        router.add_api_route(path, lambda text=text: text, methods=["GET"])
    return router


def client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent")


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    CountedRoute.asked = 0


async def test_path_without_parameters_is_looked_up_once_it_is_known() -> None:
    app = FastAPI()
    add_routes(app, [router_of(_a="a", _b="b"), router_of(_c="c")])
    async with client(app) as http:
        assert (await http.get("/c")).json() == "c"
        asked = CountedRoute.asked
        assert (await http.get("/c")).json() == "c"
        assert CountedRoute.asked == asked + 1


async def test_first_route_that_matches_serves_however_often_it_is_asked() -> None:
    app = FastAPI()
    add_routes(app, [router_of(_threads_any="any"), router_of(_threads_search="search", _new="new")])
    async with client(app) as http:
        for path in ("/threads/1", "/threads/search", "/threads/2", "/threads/search"):
            assert (await http.get(path)).json() == "any"
        for _ in range(2):
            assert (await http.get("/new")).json() == "new"
            assert (await http.get("/other")).status_code == 404
            refused = await http.post("/new")
            assert (refused.status_code, refused.headers["Allow"]) == (405, "GET")


def test_routes_of_surfaces_are_those_of_the_application() -> None:
    app = FastAPI()
    router = router_of(_a="a")
    add_routes(app, [router])
    assert router.routes[0] in app.routes


async def test_router_with_files_serves_them(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("page")
    app = FastAPI()
    router = router_of(_a="a")
    router.frontend("/page", directory=tmp_path)
    add_routes(app, [router])
    async with client(app) as http:
        assert (await http.get("/a")).json() == "a"
        assert (await http.get("/page/index.html")).text == "page"
