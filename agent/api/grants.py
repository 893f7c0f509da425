"""`/grants`: what the caller has approved beyond one call, and its end."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from agent.api.response_models import Called, DisplayedArgument, Wire, documented
from agent.api.surface import Surface, if_kept
from agent.composition.kept import Kept
from agent.errors.error_response import RequestError
from agent.http.authentication import caller_of


class GrantModel(Called):
    """Calls of a tool that are made without asking, while each argument is within its bound. Times are RFC
    3339. `thread_id` is the conversation in which it counts; null: in all.
    """

    id: str
    thread_id: str | None
    bounds: dict[str, dict[str, Any]]
    display: list[DisplayedArgument]
    created_at: str
    ends_at: str
    uses: int
    last_used_at: str | None


class GrantList(Wire):
    """The caller's grants that count now, the newest first."""

    grants: list[GrantModel]


def grant_routes(kept: Kept) -> APIRouter:
    """The routes. Another principal's grant is 404, as one that does not exist is."""
    grants = kept.grants
    router = APIRouter(prefix="/grants")

    @router.get("", responses=documented(GrantList))
    async def list_grants(request: Request) -> JSONResponse:
        """The caller's grants."""
        counting = await grants.of(caller_of(request.scope).principal)
        return JSONResponse({"grants": [grant.members() for grant in counting]})

    @router.delete("/{grant_id}", status_code=204, response_class=Response, response_description="It ends.")
    async def withdraw(request: Request, grant_id: str) -> Response:
        """Ends a grant, in every process."""
        caller = caller_of(request.scope)
        if not await grants.withdraw(grant_id, caller.principal, caller):
            raise RequestError(None, "no such grant", code="grant_not_found", status=404)
        return Response(status_code=204)

    return router


GRANTS: Final = Surface(name="grants", routes=if_kept(grant_routes))
