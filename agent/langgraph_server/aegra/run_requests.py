"""Requests that create a run on Aegra: checked as on `langgraph dev`, and reduced to what a client may give.

On `langgraph dev` the auth handler does this (`authorization`), which changes the run in place. Aegra gives
its handler a copy, so it is done here, before the body reaches the server.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.errors.error_response import RequestError, error_body, error_response
from agent.langgraph_server.admission.run_admission import admit_run
from agent.langgraph_server.admission.run_configuration import reserved_members
from agent.langgraph_server.admission.run_input import named_interrupt
from agent.langgraph_server.aegra.admitted_request import ADMITTED
from agent.langgraph_server.protocol.protocol_command import CommandRefusal, answers
from agent.langgraph_server.replaced_body import with_body
from agent.langgraph_server.server_agent import agent_of_this_loop
from agent.langgraph_server.server_threads import ServerThreads
from agent.langgraph_server.token_references import VERIFIED
from graph.error_codes import GraphCode
from identity.errors import AgentError, ApprovalError
from identity.strict_json import read_value

_RUN: Final = re.compile(r"(?:/threads/(?P<thread>[^/]+))?/runs(/stream|/wait)?")
_COMMAND: Final = re.compile(r"/threads/(?P<thread>[^/]+)/commands")

_TAKEN: Final = (
    "assistant_id",
    "interrupt_after",
    "interrupt_before",
    "on_completion",
    "on_disconnect",
    "stream_mode",
    "stream_subgraphs",
)
"""Members of a run that go on as they are. `durability` does not: each step is saved before the next begins,
so that a run that is taken over repeats none."""

_CHECKPOINT: Final = ("checkpoint_id", "checkpoint_ns")
_CONFIGURATION: Final = ("recursion_limit", "tags")
_NAME: Final = re.compile(r"[\w-]{1,64}", re.ASCII)
_MAX_VALUE, _MAX_VALUES = 512, 32


class RunRequests:
    """A pure ASGI middleware, inside of the route guard and of `ThreadProtocol`, which reads bodies whole."""

    def __init__(self, app: ASGIApp, threads: ServerThreads) -> None:
        self._app = app
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on other requests, and the runs that their callers may create."""
        posted = scope["type"] == "http" and scope["method"] == "POST"
        command = _COMMAND.fullmatch(scope["path"]) if posted else None
        route = command or (_RUN.fullmatch(scope["path"]) if posted else None)
        admitted = ADMITTED.get()
        if route is None or admitted is None:
            await self._app(scope, receive, send)
            return
        try:
            given = _object(await receive())
            read = self._command if command else self._run
            content = await read(scope, route["thread"], given)
        except RequestError as error:
            await JSONResponse(error_body(error), error.status)(scope, receive, send)
            return
        except AgentError as error:
            await error_response(error)(scope, receive, send)
            return
        if content is None:
            refusal = CommandRefusal("unknown_command", "the server has no such command")
            await JSONResponse(refusal.envelope(given["id"]))(scope, receive, send)
            return
        admitted.run_admitted = True
        await self._app(*with_body(scope, receive, content), send)

    async def _run(self, scope: Scope, thread: str | None, given: dict[str, Any]) -> dict[str, Any]:
        checkpoint = _checkpoint(given)
        if given.get("langsmith_tracer") is not None:
            raise _reserved("langsmith_tracer")
        if reserved := reserved_members({"configurable": given.get("context")}):
            raise _reserved(reserved[0])
        temporary = thread is None and given.get("on_completion") != "keep"
        asked = {name: given.get(name) for name in ("input", "command", "config")} | {"temporary": temporary}
        run = await self._admitted(scope, thread, asked)
        content: dict[str, Any] = {name: given[name] for name in _TAKEN if name in given}
        content.setdefault("on_disconnect", "continue")  # as on `langgraph dev`
        content["metadata"] = _metadata(given.get("metadata"))
        if run["input"] is None and run["command"] is None:
            checkpoint = checkpoint or {}  # continues the thread; Aegra requires one of the three
        return content | run | ({} if checkpoint is None else {"checkpoint": checkpoint})

    async def _command(self, scope: Scope, thread: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """`None` for a command that Aegra does not have. `ThreadProtocol` has checked its form."""
        params = given["params"] if isinstance(given.get("params"), dict) else {}
        asked: dict[str, Any] = {"config": params.get("config")}
        if given["method"] == "run.start":
            run = await self._admitted(scope, thread, asked | {"input": params.get("input")})
            changed = {"input": run["input"]}
        elif given["method"] == "input.respond":
            given_answers = answers(params)
            resume = dict(given_answers) if given_answers else params.get("response")
            run = await self._admitted(scope, thread, asked | {"command": {"resume": resume}})
            changed = {}
        else:
            return None
        changed |= {"config": run["config"], "context": run["context"]}
        return {**given, "params": {**params, **changed, "metadata": _metadata(params.get("metadata"))}}

    async def _admitted(self, scope: Scope, thread: str | None, asked: dict[str, Any]) -> dict[str, Any]:
        """`input`, `command`, `config` and `context` of the run. Raises what `admit_run` raises."""
        agent, caller = await agent_of_this_loop(), scope[VERIFIED].principal
        config = _configuration(asked.get("config"))
        await admit_run(agent, caller, {"thread_id": thread, "kwargs": asked})
        command = asked.get("command")
        if command is not None and thread is not None:
            await self._require_interrupt(scope, thread, command["resume"])
        given = None if command is not None else asked.get("input")
        return {"input": given, "command": command, "config": config, "context": asked["context"]}

    async def _require_interrupt(self, scope: Scope, thread_id: str, resume: object) -> None:
        """Aegra passes on an answer that names an interrupt which the thread does not have."""
        if (interrupt := named_interrupt(resume)) is None:
            return
        thread = await self._threads.find(scope, thread_id)
        of_tasks: Mapping[str, Any] = {} if thread is None else thread["interrupts"]
        if interrupt not in {each.get("id") for entries in of_tasks.values() for each in entries}:
            raise ApprovalError(GraphCode.APPROVAL_INVALID, "the answer names another interrupt")


def _object(message: Message) -> dict[str, Any]:
    try:
        content = read_value(message.get("body", b""))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise RequestError(None, "the body must be an object of JSON", status=422)
    return content


def _reserved(name: str) -> RequestError:
    return RequestError(name, f"{name} cannot be set by a client", code="command_refused", status=403)


def _checkpoint(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where the run forks from. Aegra would take further members for the run's configuration."""
    checkpoint = given.get("checkpoint")
    if reserved := reserved_members({"configurable": checkpoint}):
        raise _reserved(reserved[0])
    if not isinstance(checkpoint, dict):
        checkpoint = {"checkpoint_id": given["checkpoint_id"]} if given.get("checkpoint_id") else None
    return None if checkpoint is None else _members(checkpoint, _CHECKPOINT)


def _configuration(config: object) -> dict[str, Any]:
    """What LangGraph uses of a client's configuration. The rest would be stored with the run."""
    if not isinstance(config, dict):
        return {}
    configurable = config.get("configurable")
    kept = _members(configurable, _CHECKPOINT) if isinstance(configurable, dict) else {}
    return _members(config, _CONFIGURATION) | {"configurable": kept}


def _metadata(given: object) -> dict[str, Any]:
    """The values that Aegra accepts. For one that it does not accept, its response repeats the whole body."""
    if not isinstance(given, dict):
        return {}
    plain = {
        name: value
        for name, value in given.items()
        if _NAME.fullmatch(name) and isinstance(value, str | int | float) and len(str(value)) <= _MAX_VALUE
    }
    return dict(list(plain.items())[:_MAX_VALUES])


def _members(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}
