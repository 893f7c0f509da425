"""The entrance of OpenAPI: reads requests of the RPC style, finds the action, writes errors."""

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from sandbox.oauth_error import new_request_id, read_body
from sandbox.state.cloud import Cloud
from sandbox.state.records import Event

_FORM = "application/x-www-form-urlencoded"


class OpenApiError(Exception):
    """A refusal. The message never quotes a secret or token. `detail` is what RAM adds to a 403."""

    def __init__(
        self, code: str, message: str, status: int = 400, *, detail: dict[str, str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.detail = detail

    @property
    def expired(self) -> bool:
        """Whether a credential was presented whose time was over."""
        return self.code.endswith("Token.Expired")


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """Parameters of the query and, with `form`, of a form in the body; each at most once."""

    method: str
    query: tuple[tuple[str, str], ...]
    headers: Headers
    body: bytes
    parameters: dict[str, str]
    path: str = "/"
    """As it was sent, and so as it was signed."""

    def required(self, name: str) -> str:
        """The value of a parameter that must be there."""
        if not self.parameters.get(name):
            code = f"Missing{name}"
            raise OpenApiError(code, f"{name} is mandatory for this action.")
        return self.parameters[name]

    @property
    def action(self) -> str:
        return self.headers.get("x-acs-action") or self.parameters.get("Action", "")

    @property
    def version(self) -> str:
        return self.headers.get("x-acs-version") or self.parameters.get("Version", "")


async def read_request(request: Request, *, form: bool) -> RpcRequest:
    """Reads the request whole; raises OpenApiError if it is too large or names a parameter twice."""
    if (body := await read_body(request)) is None:
        raise OpenApiError("RequestBodyTooLarge", "The request body is too large.", 413)
    query = tuple(parse_qsl(request.url.query, keep_blank_values=True))
    pairs = list(query)
    if form and request.headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        try:
            pairs += parse_qsl(body.decode(), keep_blank_values=True)
        except ValueError as error:
            raise OpenApiError("InvalidParameter", "The request body is not a form.") from error
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise OpenApiError("InvalidParameter", "A parameter appears more than once.")
    path = request.scope.get("raw_path", b"/").partition(b"?")[0].decode("latin-1")
    return RpcRequest(request.method, query, request.headers, body, parameters, path)


_HELP = "https://api.aliyun.com/troubleshoot"


class Action(Protocol):
    """One action of a service."""

    service: str
    """By the names of faults and counters."""
    name: str
    version: str

    def perform(self, request: RpcRequest, event: Event) -> dict[str, Any]:
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
        action: Action | None = None
        try:
            call = await read_request(request, form=self._cloud.settings.openapi_form_parameters)
            action = self._action(call)
            event = Event(action.name, request_id)
            self._cloud.counters.count(action.service, action.name)
            answer = action.perform(call, event)
        except OpenApiError as refusal:
            if action is not None:
                self._cloud.events.record(event, result="failed", error=refusal.code)
                if refusal.expired:
                    self._cloud.counters.expired_credential(action.service)
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
