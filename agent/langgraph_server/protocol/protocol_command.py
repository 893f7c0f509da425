"""The commands of LangGraph's event-streaming protocol that a client may send, and with which parameters.

A command runs the graph or answers an interrupt. It writes no state, jumps to no node, and names no project
of LangSmith.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agent.langgraph_server.admission.run_configuration import reserved_members

_RUN_START: Final = frozenset(
    {"assistant_id", "input", "config", "metadata", "multitaskStrategy", "multitask_strategy"}
)
_INPUT_RESPOND: Final = frozenset({"interrupt_id", "namespace", "response", "responses", "strict_resume"})
_WITHOUT_EFFECT: Final = frozenset(
    {"agent.getTree", "subscription.subscribe", "subscription.unsubscribe", "subscription.reconnect"}
)


@dataclass(frozen=True, slots=True)
class CommandRefusal:
    """Why a command is refused. `error` is one of the protocol's codes; `message` is for the person."""

    error: str
    message: str

    def envelope(self, command_id: int) -> dict[str, Any]:
        """The response of the protocol, whose HTTP status is 200."""
        return {"type": "error", "id": command_id, "error": self.error, "message": self.message}


def command_refusal(method: str, params: Mapping[str, Any]) -> CommandRefusal | None:
    """The refusal of a command, by its form alone; `None` if it may go on to the server.

    Not checked: what the server itself checks, such as the type of each parameter.
    """
    if method == "run.start":
        return _refusal_of_run(params)
    if method == "input.respond":
        return _not_taken(method, params, _INPUT_RESPOND)
    if method in _WITHOUT_EFFECT:
        return None
    return CommandRefusal("unknown_command", f'there is no command "{method[:64]}"')


def _refusal_of_run(params: Mapping[str, Any]) -> CommandRefusal | None:
    if refusal := _not_taken("run.start", params, _RUN_START):
        return refusal
    if reserved := reserved_members(params.get("config")):
        return CommandRefusal("permission_denied", f"config: {reserved[0]} cannot be set by a client")
    return None


def _not_taken(method: str, params: Mapping[str, Any], taken: frozenset[str]) -> CommandRefusal | None:
    """A parameter that is not known is refused, because a later version of the server may obey it."""
    for name, value in params.items():
        if name not in taken and value is not None:
            return CommandRefusal("permission_denied", f'{method} takes no "{name[:64]}" from a client')
    return None


def answers(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answers of an `input.respond`, by the ids of interrupts. Malformed ones are left to the server."""
    entries = params["responses"] if isinstance(params.get("responses"), list) else [params]
    return {
        entry["interrupt_id"]: entry.get("response")
        for entry in entries
        if isinstance(entry, Mapping) and isinstance(entry.get("interrupt_id"), str)
    }
