"""`/rights`: what the agent may do for the caller."""

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from agent.api.response_models import documented
from agent.api.surface import Surface
from agent.composition.agent import Agent
from agent.http.authentication import caller_of
from graph.approvals.rights import UserRights


def rights_routes(agent: Agent) -> APIRouter:
    """The route."""
    router = APIRouter()

    @router.get("/rights", responses=documented(UserRights))
    async def rights(request: Request) -> JSONResponse:
        """The calls that the agent may make for the caller. Nothing is called for it."""
        return JSONResponse(await agent.rights_of(caller_of(request.scope)))

    return router


RIGHTS: Final = Surface(name="rights", routes=rights_routes)
