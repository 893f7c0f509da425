"""The body of a request for a run, reduced to what a client may give, in the form that both servers read.

LangGraph obeys members of a run's configuration that write a state or name another project of LangSmith, and
Aegra stores every member with the run. What is not listed here is left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from langgraph.types import Command

from agent.errors.error_response import RequestError

_TAKEN: Final = (
    "after_seconds",
    "assistant_id",
    "interrupt_after",
    "interrupt_before",
    "on_completion",
    "on_disconnect",
    "stream_mode",
    "stream_resumable",
    "stream_subgraphs",
)
"""Members that go on as they are. `durability` does not: on Aegra each step is saved before the next begins,
so that a run that is taken over repeats none."""

_OBJECTS: Final = ("config", "metadata")
_CONFIGURATION: Final = ("recursion_limit", "tags")
_RESERVED: Final = ("__pregel_", "__langsmith_")
"""LangGraph's own: an answer to an interrupt without a command, for one. LangSmith's: a further project to
which a run is sent."""

_CHECKPOINT_ID: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
_NAME: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
_MAX_VALUE: Final = 512
_MAX_VALUES: Final = 32
_MAX_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The request of a client for one run.

    `input` and `command` are as given. `checkpoint_id` is where the run forks from. `kept`: its messages are.
    `creates_thread`: it creates the thread if there is none. `members` are the others, reduced.
    """

    input: object
    command: object
    checkpoint_id: str | None
    kept: bool
    creates_thread: bool
    members: Mapping[str, Any]

    def body(self, given: object) -> dict[str, Any]:
        """The body for the server, with the input or the answer that was checked."""
        body = {**self.members, "context": {"kept": self.kept}}
        if isinstance(given, Command):
            body["command"] = {"resume": given.resume}
        elif given is not None:
            body["input"] = given
        if self.checkpoint_id is not None:
            body["checkpoint"] = {"checkpoint_id": self.checkpoint_id}
        elif "input" not in body and "command" not in body:
            body["checkpoint"] = {}  # continues the thread; Aegra requires one of the three
        return body


def read_run(given: object, *, threaded: bool) -> RunRequest:
    """The run that a body asks for. `threaded`: on a thread that its path names.

    Not checked: the input and the command, and what the server itself checks of the members that go on.
    Raises `RequestError`, with 403 for a member that only the server may set.
    """
    if not isinstance(given, dict):
        raise RequestError(None, "the body must be an object of JSON", status=422)
    if given.get("langsmith_tracer") is not None:
        raise _reserved("langsmith_tracer")
    for named in (given.get("context"), given.get("checkpoint"), _configurable(given)):
        _require_unreserved(named)
    members = {name: given[name] for name in _TAKEN if given.get(name) is not None}
    members.setdefault("on_disconnect", "continue")  # as on `langgraph dev`
    members |= _reduced(given) | _multitask(given.get("multitask_strategy"))
    return RunRequest(
        input=given.get("input"),
        command=given.get("command"),
        checkpoint_id=_checkpoint_id(given.get("checkpoint"), given, _configurable(given)),
        kept=threaded or given.get("on_completion") == "keep",
        creates_thread=given.get("if_not_exists") == "create",
        members=members,
    )


def _configurable(given: Mapping[str, Any]) -> object:
    """`config.configurable` of a run."""
    config = given.get("config")
    return config.get("configurable") if isinstance(config, dict) else None


def _require_unreserved(given: object) -> None:
    """Raises `RequestError` for members that only the server may set."""
    for name in _object(given):
        if name.startswith(_RESERVED):
            raise _reserved(name[:_MAX_NAME])


def _object(given: object) -> dict[str, Any]:
    """`given`, if it is an object; else an empty one."""
    return given if isinstance(given, dict) else {}


def _reduced(given: Mapping[str, Any]) -> dict[str, Any]:
    """`config` and `metadata` of a run: what LangGraph uses of the one, and Aegra accepts of the other."""
    config, metadata = (_object(given.get(name)) for name in _OBJECTS)
    plain = {
        name: value
        for name, value in metadata.items()
        if _NAME.fullmatch(name) and isinstance(value, str | int | float) and len(str(value)) <= _MAX_VALUE
    }
    return {
        "config": {name: config[name] for name in _CONFIGURATION if name in config},
        "metadata": dict(list(plain.items())[:_MAX_VALUES]),
    }


def _multitask(strategy: object) -> dict[str, Any]:
    """The strategy for a run of the thread that is in progress. Raises `RequestError` for `rollback`, which
    deletes the messages of that run.
    """
    if strategy is None:
        return {}
    if strategy not in ("enqueue", "interrupt", "reject"):
        problem = 'must be "enqueue", "interrupt" or "reject": stored messages are not taken back'
        raise RequestError("multitask_strategy", problem, code="command_refused", status=403)
    return {"multitask_strategy": strategy}


def _checkpoint_id(*sources: object) -> str | None:
    """The `checkpoint_id` of the first source that has one. Raises `RequestError` if it is none."""
    ids = [source.get("checkpoint_id") for source in sources if isinstance(source, dict)]
    checkpoint_id = next(filter(None, ids), None)
    if checkpoint_id is None:
        return None
    if isinstance(checkpoint_id, str) and _CHECKPOINT_ID.fullmatch(checkpoint_id):
        return checkpoint_id
    raise RequestError("checkpoint_id", "must be the id of a checkpoint", status=422)


def _reserved(name: str) -> RequestError:
    return RequestError(name, f"{name} cannot be set by a client", code="command_refused", status=403)
