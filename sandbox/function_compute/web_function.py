"""What the functions behind the trigger have in common: a JSON body, a caller, a refusal as a response."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.function_compute.authorization import RefusedError, Requirement
from sandbox.function_compute.caller import Caller, read_caller
from sandbox.function_compute.http_trigger import REQUEST_ID_HEADER
from sandbox.state.cloud import Cloud
from sandbox.state.directory import AGENT

AGENTS = frozenset({AGENT})
_MAX_BODY = 1_000_000

WebFunction = Callable[[Request], Awaitable[Response]]
Operation = Callable[[Request, Caller], Awaitable[Mapping[str, Any]]]


def web_function(
    cloud: Cloud, name: str, requirement: Requirement, operation: Operation, status: int = 200
) -> WebFunction:
    """`operation` for callers who meet the requirement; its result as JSON, with the request's id.

    A `RefusedError` becomes a response of its status. Counted is `function_compute:<name>`.
    """

    async def respond(request: Request) -> Response:
        cloud.counters.count("function_compute", name)
        caller = read_caller(request.headers, AGENTS)
        request_id = request.headers.get(REQUEST_ID_HEADER)
        try:
            requirement.check(caller)
            content = await operation(request, caller)
        except RefusedError as error:
            refusal = {"error": error.code, "message": str(error), "request_id": request_id}
            return JSONResponse(refusal, error.status)
        return JSONResponse({**content, "request_id": request_id}, status)

    return respond


async def json_object(request: Request) -> Mapping[str, Any]:
    """The body; an empty one is an empty object. Raises `RefusedError`."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MAX_BODY:
            raise RefusedError(413, "too_large", "the body must not exceed 1 MB")
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        raise RefusedError(400, "invalid_request", "the body must be JSON") from None
    if not isinstance(content, dict):
        raise RefusedError(400, "invalid_request", "the body must be an object")
    return content


def now(cloud: Cloud) -> datetime:
    """The time of the sandbox, in UTC."""
    return datetime.fromtimestamp(cloud.clock(), UTC)
