"""JSON-RPC 2.0, for surfaces that speak it: the envelope of a request, and both kinds of response.

    {"jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": {}}
    {"jsonrpc": "2.0", "id": 7, "result": {…}}
    {"jsonrpc": "2.0", "id": 7, "error": {"code": -32601, "message": "…"}}

Each protocol decides about notifications, about its own codes, and about the status of an error.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeAlias

from agent.api.response_models import ErrorResponse, documented_body, reference
from agent.api.validation_fault import NO_JSON, json_value
from agent.errors.error_response import note_error

Members: TypeAlias = dict[str, Any]
"""An object of JSON."""
RequestId: TypeAlias = str | int | None
"""`None`: the request has none, or could not be read."""

_MAX_ID: Final = 1_024
"""Characters. A stream repeats the id in each of its responses."""


class RpcCode(IntEnum):
    """The codes that JSON-RPC defines."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603


class RpcError(Exception):
    """A refused request. Each protocol has a subclass, which knows its own codes."""

    def __init__(self, code: int, message: str, data: object = None, *, log_name: str) -> None:
        """`data` is for programs. `log_name` is the error's name in the request log."""
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.log_name = log_name

    def response(self, request_id: RequestId) -> Members:
        """The response to the request `request_id`. The request log names the error."""
        note_error(self.log_name)
        error: Members = {"code": int(self.code), "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return {"jsonrpc": "2.0", "id": request_id, "error": error}


Refusal: TypeAlias = Callable[[RpcCode, str], RpcError]
"""Makes a protocol's error of a code and a message."""


@dataclass(frozen=True, slots=True)
class RpcRequest:
    """A valid envelope. `params` are not validated: they may be any JSON value."""

    method: str
    params: Any
    id: RequestId = None
    is_notification: bool = False
    """Whether it has no member `id`. One whose id is null is a request."""


def is_request_id(value: object) -> bool:
    """Whether a response may repeat `value`: a whole number, or a text of at most 1,024 characters."""
    return type(value) is int or (isinstance(value, str) and len(value) <= _MAX_ID)


def request_id_of(value: Any) -> RequestId:  # noqa: ANN401 - any JSON value
    """The id to respond with, also to what is no valid request."""
    request_id = value.get("id") if isinstance(value, dict) else None
    return request_id if is_request_id(request_id) else None


def read_json(body: bytes, refusal: Refusal) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of a body. Raises the `refusal`."""
    return json_value(body, refusal(RpcCode.PARSE_ERROR, NO_JSON))


def read_request(value: Any, refusal: Refusal) -> RpcRequest:  # noqa: ANN401 - any JSON value
    """The request in a JSON value. Raises the `refusal` of anything else, also of a batch."""
    match value:
        case {"jsonrpc": "2.0", "method": str(method)}:
            request_id = value.get("id")
            if request_id is None or is_request_id(request_id):
                return RpcRequest(method, value.get("params", {}), request_id, "id" not in value)
    raise refusal(RpcCode.INVALID_REQUEST, "The body must be one message of JSON-RPC 2.0")


def result_response(request_id: RequestId, result: Members) -> Members:
    """The response with a result to the request `request_id`."""
    return {"jsonrpc": "2.0", "id": request_id, "result": result}


def notification(method: str, params: Members) -> Members:
    """A message that has no response."""
    return {"jsonrpc": "2.0", "method": method, "params": params}


def documented_rpc(methods: Sequence[str], identifier: Members, *required: str) -> Members:
    """A route's `openapi_extra`: its body is a request of JSON-RPC. `identifier` is the schema of its id."""
    members: Members = {
        "jsonrpc": {"const": "2.0"},
        "id": identifier,
        "method": {"enum": list(methods)},
        "params": {"type": "object"},
    }
    return documented_body({"type": "object", "properties": members, "required": ["jsonrpc", *required]})


def documented_refusal(identifier: Members) -> Members:
    """The content of a refusal: an error of JSON-RPC, or of every route, about what is around the message."""
    error = {
        "type": "object",
        "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "data": {}},
        "required": ["code", "message"],
    }
    refusal = {
        "type": "object",
        "properties": {
            "jsonrpc": {"const": "2.0"},
            "id": {"anyOf": [identifier, {"type": "null"}]},
            "error": error,
        },
        "required": ["jsonrpc", "id", "error"],
    }
    return {"application/json": {"schema": {"anyOf": [refusal, reference(ErrorResponse)]}}}
