"""Reads and judges each request for a thread or a run, before the server reads it.

One place for both servers and both protocols: runs (`/threads/{id}/runs…`, `/runs…`), and event streaming
(`/threads/{id}/commands`). The server receives what was read, and not a body that it may parse differently.
A command runs the graph or answers an interrupt. It writes no state, jumps to no node, and names no project
of LangSmith.

A thread of another user is answered as one that does not exist, on every route and before anything else of
the request is judged by the server, which itself has other words, or an empty stream, for some of them.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from langgraph.types import Command
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.api.langgraph.admitted_request import ADMITTED, AdmittedRequest
from agent.api.langgraph.run_input import (
    UnknownInterruptError,
    checked_input,
    history,
    is_interrupt_id,
    named_interrupt,
    user_messages,
)
from agent.api.langgraph.run_request import RunRequest, read_run
from agent.api.langgraph.sealed_callers import run_digest
from agent.api.langgraph.server_agent import agent_of_this_loop
from agent.api.langgraph.server_threads import ServerThreads
from agent.composition.agent import Agent
from agent.errors.error_response import RequestError, error_response
from graph.approvals.answer import parse_answer, require_signed_in
from graph.approvals.record import ApprovalState
from graph.approvals.request import pending_of
from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, ApprovalError
from identity.observation.request_context import REQUEST_ID
from identity.strict_json import read_value

START: Final = "run.start"
RESPOND: Final = "input.respond"

_TAKEN: Final = {
    START: {"assistant_id", "input", "config", "metadata", "multitaskStrategy", "multitask_strategy"},
    RESPOND: {"interrupt_id", "namespace", "response", "responses", "strict_resume"},
}


@dataclass(frozen=True, slots=True)
class ProtocolCommand:
    """One command, as its client sent it."""

    id: int
    method: str
    params: Mapping[str, Any]


@dataclass(eq=False)
class CommandRefusal(Exception):  # noqa: N818 - the protocol's word
    """Why a command is refused. `error` is one of the protocol's codes; the others are for the person."""

    error: str
    message: str
    decided: Mapping[str, object] = field(default_factory=dict)

    def envelope(self, command_id: int) -> dict[str, Any]:
        """The response of the protocol, whose HTTP status is 200."""
        about = {"error": self.error, "message": self.message, **self.decided}
        return {"type": "error", "id": command_id, **about}


def read_command(given: object) -> ProtocolCommand | None:
    """The command of a body; `None` if it has not the protocol's form."""
    if not isinstance(given, dict):
        return None
    command_id = given.get("id")
    method = given.get("method")
    params = given.get("params")
    if not isinstance(command_id, int) or not isinstance(method, str):
        return None
    if not isinstance(params, dict):
        params = {}
    return ProtocolCommand(command_id, method, params)


def run_of(command: ProtocolCommand) -> RunRequest:
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
    if command.method == RESPOND:
        return read_run({"command": {"resume": _answer(params)}}, threaded=True)
    strategy = params.get("multitaskStrategy", params.get("multitask_strategy"))
    return read_run({**params, "multitask_strategy": strategy, "if_not_exists": "create"}, threaded=True)


def command_body(command: ProtocolCommand, run: RunRequest, given: object) -> dict[str, Any]:
    """The body for the server, with the input or the answer that was checked."""
    params: dict[str, Any] = {"context": {"kept": True}, "metadata": run.members["metadata"]}
    if command.method == START:
        params |= {"assistant_id": run.members.get("assistant_id"), "input": given}
        forks = {} if run.checkpoint_id is None else {"checkpoint_id": run.checkpoint_id}
        params["config"] = {**run.members["config"], "configurable": forks}
        if strategy := run.members.get("multitask_strategy"):
            params["multitaskStrategy"] = strategy
    elif isinstance(given, Command) and isinstance(given.resume, Mapping):
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
            return CommandRefusal(code, f"{error.code}: {error.for_person(REQUEST_ID.get())}", error.decided)


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


_THREAD: Final = re.compile(r"/threads/(?!(?:search|count|prune)$)([^/]+)(/.*)?")
_RUNS: Final = re.compile(r"(?:/threads/[^/]+)?/runs(?:/stream|/wait)?")
_BATCH: Final = "/runs/batch"
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class RunRequestGuard:
    """A pure ASGI middleware, inside of the route guard, which reads bodies whole."""

    def __init__(self, app: ASGIApp, *, threads: ServerThreads | None = None) -> None:
        """`threads` are by default the threads of `langgraph dev`."""
        self._app = app
        self._threads = threads or ServerThreads(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on what the caller may do, reduced to that, and refuses the rest."""
        admitted = ADMITTED.get()
        if scope["type"] == "http" and admitted is not None:
            try:
                app, receive = await self._judged(scope, receive, admitted)
            except (RequestError, AgentError) as error:
                app = error_response(error)
        else:
            app = self._app
        await app(scope, receive, send)

    async def _judged(
        self, scope: Scope, receive: Receive, admitted: AdmittedRequest
    ) -> tuple[ASGIApp, Receive]:
        """The application that responds, and its `receive`. Raises `RequestError` and `AgentError`."""
        method = scope["method"]
        path = scope["path"]
        thread = _THREAD.fullmatch(path)
        existing = None if thread is None else await self._threads.find(scope, thread[1])
        if method == "POST" and path == "/threads":
            return await self._new_thread(scope, receive, _read(await receive()))
        if method == "POST" and _RUNS.fullmatch(path):
            run = await self._run(scope, thread and thread[1], existing, _read(await receive()), admitted)
            return self._passed(run, receive)
        if method == "POST" and path == _BATCH:
            given = _read(await receive())
            if not isinstance(given, list):
                raise RequestError(None, "the body must be a list of runs", status=422)
            runs = [await self._run(scope, None, None, body, admitted) for body in given]
            return self._passed(runs, receive)
        if method == "POST" and thread is not None and thread[2] == "/commands":
            return await self._command(scope, receive, thread[1], existing, admitted)
        if thread is not None and existing is None:
            raise _no_such_thread()
        return self._app, receive

    def _passed(self, content: object, receive: Receive) -> tuple[ASGIApp, Receive]:
        """The server, with `content` as the body."""
        body = json.dumps(content).encode()
        sent: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_body() -> Message:
            return sent.pop() if sent else await receive()

        async def server(scope: Scope, receive: Receive, send: Send) -> None:
            headers = [header for header in scope["headers"] if header[0] != b"content-length"]
            headers.append((b"content-length", b"%d" % len(body)))
            await self._app({**scope, "headers": headers}, receive, send)

        return server, receive_body

    async def _new_thread(self, scope: Scope, receive: Receive, given: object) -> tuple[ASGIApp, Receive]:
        if not isinstance(given, dict):
            raise RequestError(None, "the body must be an object of JSON", status=422)
        if given.get("supersteps"):
            text = "the state of a thread cannot be written"
            raise RequestError("supersteps", text, code="command_refused", status=403)
        thread_id = given.get("thread_id")
        if not isinstance(thread_id, str) or await self._threads.find(scope, thread_id) is not None:
            return self._passed(given, receive)
        status, created = await self._threads.create(scope, given)
        if status == 409 and await self._threads.find(scope, thread_id) is None:  # another user has it
            raise _no_such_thread()
        return JSONResponse(created, status), receive

    async def _run(
        self,
        scope: Scope,
        thread_id: str | None,
        existing: str | None,
        given: object,
        admitted: AdmittedRequest,
    ) -> dict[str, Any]:
        agent = await agent_of_this_loop()
        await agent.request_rate.count(admitted.caller.principal)
        run = read_run(given, threaded=thread_id is not None)
        return run.body(await self._admitted(agent, scope, thread_id, existing, run, admitted))

    async def _command(
        self, scope: Scope, receive: Receive, thread_id: str, existing: str | None, admitted: AdmittedRequest
    ) -> tuple[ASGIApp, Receive]:
        command = read_command(_read(await receive(), lenient=True))
        if existing is None and (command is None or command.method != START):
            raise _no_such_thread()
        if command is None:
            raise RequestError(None, 'the body must be {"id": integer, "method": string, "params": …}')
        if command.method in self._threads.commands:
            return self._passed(asdict(command), receive)
        agent = await agent_of_this_loop()
        await agent.request_rate.count(admitted.caller.principal)
        try:
            run = run_of(command)
            given = await self._admitted(agent, scope, thread_id, existing, run, admitted)
        except (CommandRefusal, ApprovalError, RequestError) as error:
            if isinstance(error, RequestError) and error.status == 404:
                raise
            return JSONResponse(refusal_of(error).envelope(command.id)), receive
        return self._passed(command_body(command, run, given), receive)

    async def _admitted(
        self,
        agent: Agent,
        scope: Scope,
        thread_id: str | None,
        existing: str | None,
        run: RunRequest,
        admitted: AdmittedRequest,
    ) -> object:
        """The input or the answer of a run. `existing` is its thread, which exists afterwards."""
        if thread_id is not None and existing is None and not run.creates_thread:
            raise _no_such_thread()
        if run.command:
            require_signed_in(admitted.caller, time.time())
        given = await self._given(agent, scope, existing, run, admitted.caller)
        if admitted.sealed and agent.redis is not None:
            await agent.redis.check()  # before the run is stored: it could not be queued
        if thread_id is not None and existing is None:
            status, _ = await self._threads.create(scope, {"thread_id": thread_id, "if_exists": "raise"})
            if status == 409 and (made := await self._threads.find(scope, thread_id)) is not None:
                # another request of its user has made it meanwhile: the run is checked as one of that thread
                return await self._admitted(agent, scope, thread_id, made, run, admitted)
            if status != 200:  # another user has it, or no thread can have the id
                raise _no_such_thread()
        admitted.run = run_digest(given, run.checkpoint_id)
        return given

    async def _given(
        self, agent: Agent, scope: Scope, thread_id: str | None, run: RunRequest, caller: VerifiedAccessToken
    ) -> object:
        approvals: Sequence[ApprovalState] = []
        if thread_id is not None and agent.kept is not None:
            store = agent.kept.approvals
            approvals = await store.pending(caller.principal, thread_id)
            if not approvals and run.command:
                latest = await store.latest(caller.principal, thread_id)
                approvals = [] if latest is None else [latest]  # its state is why it cannot be answered
        checked = checked_input(run.input, run.command, approvals, time.time())
        if isinstance(checked, Command) and thread_id is not None:
            await self._require_fit(agent, scope, thread_id, checked.resume, caller)
        if checked is None or isinstance(checked, Command):
            return checked
        most = agent.settings.max_messages
        if not run.kept:
            return history(checked, most=most)
        messages = user_messages(checked, most=most)
        ids = {message["id"] for message in messages["messages"] if "id" in message}
        if thread_id is not None and ids:
            state = await self._threads.state(scope, thread_id, run.checkpoint_id)
            stored = (state.get("values") or {}).get("messages") or []
            if not ids.isdisjoint(message.get("id") for message in stored):
                text = "the thread has a message of this id, which is not replaced"
                raise RequestError("input.messages", text, code="message_exists", status=409)
        return messages

    async def _require_fit(
        self, agent: Agent, scope: Scope, thread_id: str, resume: object, caller: VerifiedAccessToken
    ) -> None:
        """LangGraph ignores an answer to an interrupt that it does not know, and the graph an edit that does
        not fit the call, or a grant that was not offered.
        """
        interrupt = named_interrupt(resume)
        answer = resume[interrupt] if interrupt is not None and isinstance(resume, Mapping) else resume
        parsed = parse_answer(answer)
        edits = parsed is not None and not (parsed.arguments is None and parsed.lasting is None)
        if interrupt is None and not edits:
            return
        tasks = (await self._threads.state(scope, thread_id)).get("tasks") or []
        waiting = [asked for task in tasks for asked in task.get("interrupts") or []]
        interrupts = {asked.get("id"): asked for asked in waiting}
        if interrupt is not None and interrupt not in interrupts:
            raise UnknownInterruptError(GraphCode.APPROVAL_INVALID, "the answer names another interrupt")
        if edits:
            answered = list(interrupts.values()) if interrupt is None else [interrupts[interrupt]]
            for asked in answered:
                await agent.answers.read(answer, pending_of(asked["value"]), caller)


def _no_such_thread() -> RequestError:
    return RequestError(None, "no such thread", code="not_found", status=404)


def _read(message: Message, *, lenient: bool = False) -> object:
    """The JSON of a body. With `lenient`, `None` for a body that is not JSON."""
    body: bytes = message.get("body", b"")
    try:
        given = read_value(body)
    except ValueError:
        if lenient:
            return None
        raise RequestError(None, "the body must be JSON that names each member once", status=422) from None
    if _NUL.search(body):
        raise RequestError(None, "the body must not contain the character U+0000", status=422)
    return given
