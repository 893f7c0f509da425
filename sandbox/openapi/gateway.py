"""The entrance: reads the request, finds the action, and writes errors in OpenAPI's shape."""

from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from sandbox.oauth_error import new_request_id
from sandbox.openapi.rpc_request import OpenApiError, RpcRequest, read_request
from sandbox.state.cloud import Cloud

_HELP = "https://api.aliyun.com/troubleshoot"


class Action(Protocol):
    """One action of a service."""

    service: str
    """By the names of faults and counters."""
    name: str
    version: str

    def perform(self, request: RpcRequest, request_id: str) -> dict[str, Any]:
        """The response's members without `RequestId`. Raises OpenApiError."""
        ...


class Gateway:
    """Chooses the action by its name and version."""

    def __init__(self, cloud: Cloud, actions: tuple[Action, ...]) -> None:
        self._cloud = cloud
        self._actions = {(action.version, action.name): action for action in actions}

    async def respond(self, request: Request) -> Response:
        """The action's response, or OpenAPI's error body."""
        request_id = new_request_id()
        try:
            call = await read_request(request, form=self._cloud.settings.openapi_form_parameters)
            action = self._action(call)
            self._cloud.counters.count(action.service, action.name)
            answer = action.perform(call, request_id)
        except OpenApiError as refusal:
            return JSONResponse(_error_body(refusal, request_id, request), refusal.status)
        return JSONResponse({"RequestId": request_id, **answer}, headers={"Cache-Control": "no-store"})

    def _action(self, call: RpcRequest) -> Action:
        action = self._actions.get((call.version, call.action))
        if action is None:
            text = "Specified api is not found, please check your url and method."
            raise OpenApiError("InvalidAction.NotFound", text, 404)
        return action


def service_of(scope: Scope) -> str:
    """The service that a fault concerns: `sts` by its action or version, else `openapi`."""
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    version = headers.get("x-acs-version") or query.get("Version")
    return "sts" if version == "2015-04-01" else "openapi"


def _error_body(refusal: OpenApiError, request_id: str, request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "RequestId": request_id,
        "HostId": request.headers.get("host", ""),
        "Code": refusal.code,
        "Message": refusal.message,
        "Recommend": f"{_HELP}?q={refusal.code}&requestId={request_id}",
    }
    return body | ({"AccessDeniedDetail": refusal.detail} if refusal.detail else {})
