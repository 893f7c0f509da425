"""Routes that FastAPI documents and Starlette calls."""

import httpx
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import JSONResponse

from agent.api.direct_route import DirectRoute


async def test_endpoint_of_a_request_has_no_exit_stack_of_its_own() -> None:
    app, router = FastAPI(), APIRouter(prefix="/below", route_class=DirectRoute)

    @router.post("/direct")
    async def direct(request: Request) -> JSONResponse:
        return JSONResponse([name for name in request.scope if name.endswith("_astack")])

    @router.get("/{name}")
    async def with_a_parameter(name: str) -> JSONResponse:
        return JSONResponse(name)

    app.include_router(router)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent") as client:
        assert (await client.post("/below/direct")).json() == ["fastapi_middleware_astack"]
        assert (await client.put("/below/direct")).status_code == 405
        assert (await client.get("/below/other")).json() == "other"
    assert set(app.openapi()["paths"]) == {"/below/direct", "/below/{name}"}
