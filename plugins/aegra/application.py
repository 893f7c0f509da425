"""The application that `aegra.json` names as `http.app`. Only it and `queued_runs` import Aegra.

The start fails unless the auth handler is in force. It is checked again before each request, and before each
route by a dependency: the user whom Aegra would serve is the caller whom the guard has verified.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aegra_api.core.auth_deps import require_auth
from aegra_api.core.auth_middleware import get_auth_backend
from aegra_api.settings import settings
from fastapi import Depends, FastAPI, HTTPException, Request

from agent.api.langgraph.admitted_request import ADMITTED
from agent.api.langgraph.server_agent import server_agent
from idaas_agent.library.token_references import identity_of
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError
from plugins.aegra.guarded_application import PUBLIC, GuardedApplication, fault_of, require
from plugins.aegra.queued_runs import end_abandoned_runs, refuse_unqueued_runs


async def own_caller(request: Request) -> None:
    """503 unless Aegra's user is the caller whom the guard has verified. A dependency of every route."""
    admitted = ADMITTED.get()
    if admitted is None:
        if request.url.path not in PUBLIC:
            raise HTTPException(503, "the route guard is not in force")
        return
    user = await require_auth(request)
    if not admitted.authenticated or user.identity != identity_of(admitted.caller):
        raise HTTPException(503, "the auth handler is not in force")


@asynccontextmanager
async def _start(_: FastAPI) -> AsyncIterator[None]:
    """Aegra has started before, and its workers with it. They execute nothing without a sealed caller."""
    require(get_auth_backend())
    if (await server_agent()).sealed_callers is None:
        fault = "SEAL_KEY_FILE and REDIS_URL must be set: runs are executed by other processes"
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, [fault])
    if not settings.redis.REDIS_BROKER_ENABLED:
        fault = "REDIS_BROKER_ENABLED must be true: runs are executed by other processes"
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, [fault])
    refuse_unqueued_runs()
    ending = asyncio.create_task(end_abandoned_runs(), name="end abandoned runs")
    yield
    ending.cancel()


require(get_auth_backend())
app: Final = GuardedApplication(
    lambda: fault_of(get_auth_backend()),
    title="LangGraph's API on Aegra",
    lifespan=_start,
    dependencies=[Depends(own_caller)],
)


@app.get("/ok")
async def ok() -> dict[str, bool]:
    """Liveness of the process."""
    return {"ok": True}
