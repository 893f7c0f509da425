"""A2A 0.3, which many clients still have: other names for the requests and results of version 1.0.

{"method": "message/send", "params": {"message": {"role": "user", "parts": [{"kind": "text", …}]}}}
{"kind": "task", "status": {"state": "input-required"}}   {"kind": "status-update", …, "final": true}
"""

from dataclasses import replace
from typing import Any, Final

from agent.api.json_rpc import RpcRequest
from plugins.a2a.a2a_error import A2ACode, A2AError
from plugins.a2a.members import OLDER_VERSION, PROTOCOL_VERSION, Members, TaskState

_METHODS: Final = {
    "message/send": "SendMessage",
    "message/stream": "SendStreamingMessage",
    "tasks/get": "GetTask",
    "tasks/cancel": "CancelTask",
    "tasks/resubscribe": "SubscribeToTask",
    "tasks/pushNotificationConfig/set": "CreateTaskPushNotificationConfig",
    "tasks/pushNotificationConfig/get": "GetTaskPushNotificationConfig",
    "tasks/pushNotificationConfig/list": "ListTaskPushNotificationConfigs",
    "tasks/pushNotificationConfig/delete": "DeleteTaskPushNotificationConfig",
    "agent/getAuthenticatedExtendedCard": "GetExtendedAgentCard",
}
_ROLES: Final = {"user": "ROLE_USER", "agent": "ROLE_AGENT"}
_ROLES_OF_0_3: Final = {name: role for role, name in _ROLES.items()}


def is_v03(header: str | None) -> bool:
    """Whether a request with this header `A2A-Version` is of 0.3, and not of 1.x. A client that sends no
    header has 0.3. Raises `A2AError` for any other version.
    """
    major, _, minor = (header or "").strip().partition(".")
    if not major or (major == "0" and minor.partition(".")[0] == "3"):
        return True
    if major == "1" and minor.isascii() and minor.replace(".", "").isdigit():
        return False
    text = f"The version in the header A2A-Version must be {PROTOCOL_VERSION} or {OLDER_VERSION}"
    raise A2AError(A2ACode.VERSION_NOT_SUPPORTED, text)


def newer_request(request: RpcRequest) -> RpcRequest:
    """The same request with the names of version 1.0, which the agent uses itself.

    Raises `A2AError` for a name of version 1.0: the client forgot its header.
    """
    if request.method in (*_METHODS.values(), "ListTasks"):  # which 0.3 does not have
        text = f"{request.method} is of version {PROTOCOL_VERSION}: send the header A2A-Version"
        raise A2AError(A2ACode.VERSION_NOT_SUPPORTED, text)
    method = _METHODS.get(request.method)
    if method is None or not isinstance(request.params, dict):
        return request
    return replace(request, method=method, params=_params(request.params))


def to_v03(update: Members) -> Members:
    """The result for an object of version 1.0 in a wrapper, such as `{"task": …}`: it has a kind instead."""
    match update:
        case {"task": task}:
            return _task(task)
        case {"message": message}:
            return _message(message)
        case {"statusUpdate": members}:
            return _status_update(members)
    members = update["artifactUpdate"]
    return {**members, "kind": "artifact-update", "artifact": _artifact(members["artifact"])}


def _params(params: Members) -> Members:
    """Parameters of 1.0. What is not of the form of 0.3 stays as it is, and is refused later."""
    newer = dict(params)
    if isinstance(message := params.get("message"), dict):
        parts = message.get("parts")
        newer["message"] = message | {
            "role": _ROLES.get(str(message.get("role")), message.get("role")),
            "parts": [_part_of_0_3(part) for part in parts] if isinstance(parts, list) else parts,
        }
    if isinstance(configuration := params.get("configuration"), dict):
        newer["configuration"] = configuration | {
            "returnImmediately": configuration.get("blocking") is False,
            "taskPushNotificationConfig": configuration.get("pushNotificationConfig"),
        }
    return newer


def _task(task: Members) -> Members:
    older_task = task | {"kind": "task", "status": _status(task["status"])}
    for name, older in (("artifacts", _artifact), ("history", _message)):
        if name in task:
            older_task[name] = [older(element) for element in task[name]]
    return older_task


def _status_update(members: Members) -> Members:
    state = TaskState(members["status"]["state"])
    ends = state.ended or state.waits
    return members | {"kind": "status-update", "status": _status(members["status"]), "final": ends}


def _part_of_0_3(part: Any) -> Any:  # noqa: ANN401 - any JSON value
    match part:
        case {"kind": "text", "text": text}:
            return {"text": text}
        case {"kind": "data", "data": data}:
            return {"data": data}
        case {"kind": "file", "file": dict(file)}:
            named = {"filename": file["name"]} if "name" in file else {}
            return {"url": file["uri"]} if "uri" in file else {"raw": file.get("bytes"), **named}
    return part if not isinstance(part, dict) else {}


def _status(status: Members) -> Members:
    state = status["state"].removeprefix("TASK_STATE_").lower().replace("_", "-")
    message = {"message": _message(status["message"])} if "message" in status else {}
    return status | {"state": state} | message


def _message(message: Members) -> Members:
    parts = [_part(part) for part in message["parts"]]
    return message | {"kind": "message", "role": _ROLES_OF_0_3[message["role"]], "parts": parts}


def _artifact(artifact: Members) -> Members:
    return artifact | {"parts": [_part(part) for part in artifact["parts"]]}


def _part(part: Members) -> Members:
    if "text" in part:
        return {"kind": "text", "text": part["text"]}
    return {"kind": "data", "data": part["data"]}
