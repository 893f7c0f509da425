"""The commands of LangGraph's event-streaming protocol that a client may send, and with which parameters.

A command runs the graph or answers an interrupt. It writes no state, jumps to no node, and names no project
of LangSmith.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.api.langgraph.run_input import RunInput, UnknownInterruptError, is_interrupt_id
from agent.api.langgraph.run_request import (
    RunRequest,
    checkpoint_id,
    configurable,
    multitask,
    reduced,
    require_unreserved,
)
from agent.errors.error_response import RequestError
from graph.error_codes import GraphCode
from identity.errors import ApprovalError
from identity.observation.request_context import REQUEST_ID

START, RESPOND = "run.start", "input.respond"

_TAKEN: Final = {
    START: {"assistant_id", "input", "config", "metadata", "multitaskStrategy", "multitask_strategy"},
    RESPOND: {"interrupt_id", "namespace", "response", "responses", "strict_resume"},
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command, as its client sent it."""

    id: int
    method: str
    params: Mapping[str, Any]


class CommandRefusal(Exception):  # noqa: N818 - the protocol's word
    """Why a command is refused. `error` is one of the protocol's codes; `message` is for the person."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error
        self.message = message

    def envelope(self, command_id: int) -> dict[str, Any]:
        """The response of the protocol, whose HTTP status is 200."""
        return {"type": "error", "id": command_id, "error": self.error, "message": self.message}


def read_command(given: object) -> Command | None:
    """The command of a body; `None` if it has not the protocol's form."""
    if not isinstance(given, dict):
        return None
    command_id, method, params = given.get("id"), given.get("method"), given.get("params")
    if not isinstance(command_id, int) or not isinstance(method, str):
        return None
    return Command(command_id, method, params if isinstance(params, dict) else {})


def run_of(command: Command) -> RunRequest:
    """The run that a `run.start` or an `input.respond` asks for.

    Raises `CommandRefusal` and `RequestError` for a parameter that no client may give. One that is not known
    is refused, because a later version of the server may obey it.
    """
    params = command.params
    if command.method not in _TAKEN:
        raise CommandRefusal("unknown_command", f'there is no command "{command.method[:64]}"')
    for name, value in params.items():
        if name not in _TAKEN[command.method] and value is not None:
            text = f'{command.method} takes no "{name[:64]}" from a client'
            raise CommandRefusal("permission_denied", text)
    require_unreserved(configurable(params))
    members = reduced(params)
    if command.method == START:
        members |= multitask(params.get("multitaskStrategy", params.get("multitask_strategy")))
        members |= {"assistant_id": params.get("assistant_id")}
    return RunRequest(
        input=params.get("input"),
        command={"resume": _answer(params)} if command.method == RESPOND else None,
        checkpoint_id=checkpoint_id(configurable(params)),
        kept=True,
        creates_thread=command.method == START,
        members=members,
    )


def command_body(command: Command, run: RunRequest, given: RunInput) -> dict[str, Any]:
    """The body for the server, with the input or the answer that was checked."""
    params: dict[str, Any] = {"context": {"kept": True}, "metadata": run.members["metadata"]}
    if command.method == START:
        params |= {"assistant_id": run.members["assistant_id"], "input": given.input}
        forks = {} if run.checkpoint_id is None else {"checkpoint_id": run.checkpoint_id}
        params["config"] = {**run.members["config"], "configurable": forks}
        if strategy := run.members.get("multitask_strategy"):
            params["multitaskStrategy"] = strategy
    elif isinstance(given.resume, Mapping):
        [(params["interrupt_id"], params["response"])] = given.resume.items()
        params["namespace"] = command.params.get("namespace") or []
    return {"id": command.id, "method": command.method, "params": params}


def refusal_of(error: RequestError | ApprovalError | CommandRefusal) -> CommandRefusal:
    """The protocol's form of a refusal."""
    match error:
        case CommandRefusal():
            return error
        case RequestError():
            code = "permission_denied" if error.status == 403 else "invalid_argument"
            return CommandRefusal(code, error.message)
        case _:
            waits = not isinstance(error, UnknownInterruptError) and error.code is not GraphCode.APPROVAL_USED
            code = "invalid_argument" if waits else "no_such_interrupt"
            return CommandRefusal(code, f"{error.code}: {error.for_person(REQUEST_ID.get())}")


def _answer(params: Mapping[str, Any]) -> dict[str, object]:
    """The one answer, under the id of its interrupt."""
    entries = params["responses"] if isinstance(params.get("responses"), list) else [params]
    if len(entries) != 1:
        text = "one approval is open at a time: answer only that one"
        raise CommandRefusal("invalid_argument", text)
    [entry] = entries
    interrupt = entry.get("interrupt_id") if isinstance(entry, Mapping) else None
    if not isinstance(interrupt, str):
        raise CommandRefusal("invalid_argument", "input.respond requires an interrupt_id")
    if not is_interrupt_id(interrupt):
        raise CommandRefusal("no_such_interrupt", "the thread has no such interrupt")
    return {interrupt: entry.get("response")}
