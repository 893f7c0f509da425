"""The enterprise service: a greeting, the caller's message, and who called."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.function_compute.web_function import (
    Caller,
    RefusedError,
    Requirement,
    WebFunction,
    json_object,
    now,
    web_function,
)
from sandbox.state.cloud import Cloud
from sandbox.state.directory import ENTERPRISE_AUDIENCE

ENTERPRISE = Requirement(ENTERPRISE_AUDIENCE, ("service.invoke",))


def enterprise(cloud: Cloud) -> WebFunction:
    """`GET` or `POST {"message": …}`."""

    async def greet(request: Request, caller: Caller) -> Mapping[str, Any]:
        message = await _message(request)
        described = {n: getattr(caller, n) for n in ("access_identity", "subject", "client", "actor")}
        user = cloud.directory.user_by_subject(caller.subject)
        name = user.display_name if user else caller.subject
        return {
            "greeting": f"Hello, {name}! This is the enterprise service.",
            "message": message,
            "caller": described | {"employee": user.name if user else None},
            "time": now(cloud).isoformat(timespec="seconds"),
        }

    return web_function(cloud, "enterprise", ENTERPRISE, greet)


async def health(_: Request) -> Response:
    """`GET`, on the trigger's whitelist: no token needed."""
    return JSONResponse({"status": "ok"})


async def _message(request: Request) -> str | None:
    if request.method != "POST":
        return request.query_params.get("message")
    message = (await json_object(request)).get("message")
    if not isinstance(message, str | None):
        raise RefusedError(400, "invalid_request", '"message" must be a string')
    return message
