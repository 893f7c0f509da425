"""Errors of A2A, as JSON-RPC reports them: in a response of status 200.

A refused access token, an exceeded limit and a stopping agent have an HTTP status on this route too, with a
challenge or `Retry-After`.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from agent.api.json_rpc import RpcError
from agent.errors.error_response import RequestError, reported_body
from graph.error_codes import GraphCode
from identity.errors import AgentError, ApprovalError, StorageLimitError, ThreadBusyError, ThreadNotFoundError

_DOMAIN: Final = "a2a-protocol.org"
_ERROR_INFO: Final = "type.googleapis.com/google.rpc.ErrorInfo"


class A2ACode(IntEnum):
    """The codes of JSON-RPC and of A2A 1.0. Their names are A2A's reasons."""

    JSON_PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603
    TASK_NOT_FOUND = -32001
    TASK_NOT_CANCELABLE = -32002
    PUSH_NOTIFICATION_NOT_SUPPORTED = -32003
    UNSUPPORTED_OPERATION = -32004
    CONTENT_TYPE_NOT_SUPPORTED = -32005
    VERSION_NOT_SUPPORTED = -32009


class A2AError(RpcError):
    """A refused request. `metadata` is for programs: texts by name."""

    def __init__(self, code: int, message: str, metadata: Mapping[str, str] | None = None) -> None:
        reason = A2ACode(code).name
        self.metadata = dict(metadata or {})
        info = {"@type": _ERROR_INFO, "reason": reason, "domain": _DOMAIN, "metadata": self.metadata}
        super().__init__(code, message, [info], log_name=reason.lower())


def task_not_found() -> A2AError:
    """The same for a task that does not exist and for another user's."""
    return A2AError(A2ACode.TASK_NOT_FOUND, "There is no such task")


def invalid_params(member: str | None, problem: str) -> A2AError:
    """The error for an invalid member of `params`."""
    field = {} if member is None else {"field": member}
    return A2AError(A2ACode.INVALID_PARAMS, RequestError(member, problem).message, field)


def a2a_error_of(error: AgentError) -> A2AError:
    """The error for an error of the agent, which is also logged for operators."""
    fault = reported_body(error)["error"]
    if isinstance(error, ThreadNotFoundError):
        return task_not_found()
    code = A2ACode.INTERNAL_ERROR
    if isinstance(error, ThreadBusyError | ApprovalError | StorageLimitError):
        invalid = error.code is GraphCode.APPROVAL_INVALID
        code = A2ACode.INVALID_PARAMS if invalid else A2ACode.UNSUPPORTED_OPERATION
    field = {} if fault["param"] is None else {"field": fault["param"]}
    about = {"code": fault["code"], "requestId": str(fault["request_id"])}
    return A2AError(code, fault["message"], about | field)
