"""One call of a tool, and who learns of it: the audit log, the run's events, a span, a measure, callbacks.

Each call is opened and closed here, whether it is made or refused. The audit log is first, and can stop it.
"""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackManager
from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables.config import var_child_runnable_config

from graph.call_arguments import arguments_digest
from graph.call_measures import CallMeasures
from graph.callers import Visit
from graph.context import writer_of, writer_of_consents
from graph.credentials.service_credentials import ServiceRequirement, secrets_of
from graph.events import consent_required, shown_arguments, shown_text
from graph.files import description, digest, files_of
from graph.labels.data_labels import shown
from graph.tool_calls.requested_calls import refusal
from identity.audit.event import AuditedAction, AuditOutcome, Ruled
from identity.audit.trail import AuditTrail
from identity.errors import AgentError, ConsentRequiredError, ErrorCode
from identity.observation.attribute import Attribute
from identity.observation.metrics import SUCCESS
from identity.observation.span import timed_span
from identity.secrets.redaction import Redactor, contains, redact
from identity.secrets.secret import Secret
from tools.file import file_part
from tools.service import Service, ToolResult
from tools.service_name import service_of

_MAX_REPORTS: Final = 100
_MAX_REPORT: Final = 200
"""Reports of progress of one call that are shown, and characters of each."""
_MAX_FILES: Final = 16
_MAX_FILE_BYTES: Final = 8 * 1024 * 1024
_MAX_NAME: Final = 64
"""Characters that are reported of the name of a tool that does not exist. The model chooses it freely."""

_KEPT: Final = "the user can open it, and you cannot read it"
_NOT_KEPT: Final = "not kept, and not shown"

TOOL_ERROR: Final = "tool_error"
"""The tool itself reported the failure, such as an unknown city."""

Work: TypeAlias = Callable[[], Awaitable[tuple[ToolResult, AgentError | None]]]
"""Makes the call. The result is for the model; with the failure, if it is one."""


@dataclass(frozen=True, slots=True)
class CallRecords:
    """The calls of one graph: of its services, and of tools that do not exist."""

    services: Mapping[str, Service]
    requirements: Mapping[str, ServiceRequirement]
    audit: AuditTrail
    calls: CallMeasures


class CallRecord:
    """Await `execute` or `refuse`, once. No event contains a secret of the visit; the URL of a consent is
    written to the writer of consents, and to nothing else.
    """

    def __init__(
        self,
        records: CallRecords,
        call: ToolCall,
        node: str | None,
        visit: Visit,
        ruled: Ruled | None = None,
        *,
        obtained: Sequence[Secret] = (),
    ) -> None:
        """`call` in a visit of a node. `node` is that of the service; `None`: no service has the tool.
        `ruled` is the decision about the call. `obtained` are the secrets that the visit obtains, which may
        be more at each look.
        """
        state, caller, self._runtime = visit
        service = records.services[node] if node else None
        required = records.requirements.get(node or "")
        service_name = service_of(node) if node else None
        self._call = call
        self._calls = records.calls
        self._observed = ruled and ruled.observed
        self._write = writer_of(self._runtime)
        self._of_run = secrets_of(state, caller)
        self._redactor = Redactor(self._of_run)
        self._obtained = obtained
        credential = required.credential if required else None
        acts_as = required.access_identity if required else None
        described = credential.described if credential else {}
        effect = service.policy(call["name"]).effect if service else None
        name = self._redact(call["name"])
        self._tool: str = name if service else name[:_MAX_NAME]
        self._call_id = call["id"] or ""
        self._shown: dict[str, Any] = {
            "service": service_name,
            "access_identity": acts_as and acts_as.value,
            **described,
        }
        self._reports = 0
        self._step = records.audit.call(
            AuditedAction.TOOL_CALL,
            credential,
            acts_as,
            caller,
            service=service_name,
            tool=self._tool,
            call_id=self._call_id,
            approval=ruled and ruled.approval,
            arguments_digest=arguments_digest(call["args"]),
            effect=effect,
            ruled=ruled and ruled.recorded,
            read=shown(state.get("read") or {}),
        )

    @property
    def _secrets(self) -> list[Secret]:
        return [*self._of_run, *self._obtained]

    def _redact(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        value = self._redactor.redact(value)
        return redact(value, self._obtained) if self._obtained else value

    async def execute(self, work: Work, *, goes_on: bool = False) -> ToolMessage:
        """Calls `work`, which makes the call, between its start and its end. Returns the result for the
        model, which is what the tool returned, or the person's text of a failure. Raises `AuditError` if
        the call cannot be recorded; a start that cannot be recorded prevents the call. If the server asks the
        user, the call `goes_on` in another step: this one has an end, and the events have none.
        """
        await self._step.started()
        arguments = self._write_started(counts=not goes_on)
        async with _callbacks(self._tool, self._call_id, arguments) as finished:
            began = time.perf_counter()
            result, error = await self._execute_recorded(work, arguments)
            consents = writer_of_consents(self._runtime)
            if consents is not None and isinstance(error, ConsentRequiredError):
                consents(consent_required(self._shown["service"], self._call_id, error.authorization_url))
            milliseconds = round((time.perf_counter() - began) * 1000)
            if result.asks is not None:
                message = refusal(self._call, "the server asks the user")
                message.artifact = {"called": True}
                await finished(message)
                return message
            result = await self._kept(result)
            code = error.code if error else None
            message = self._write_finished(result, code, milliseconds)
            await finished(message)
        return message

    def progressed(self, fraction: float | None, message: str) -> None:
        """Writes that the call is that far (`tools.progress`), at most a hundred times."""
        self._reports += 1
        if self._reports > _MAX_REPORTS:
            return
        if fraction is not None:
            fraction = min(max(float(fraction), 0.0), 1.0)
        self._write(
            {
                "type": "tool_progress",
                "tool": self._tool,
                "service": self._shown["service"],
                "call_id": self._call_id,
                "progress": fraction,
                "message": self._redact(message)[:_MAX_REPORT],
            }
        )

    async def refuse(self, reason: str, error: ErrorCode | None = None) -> ToolMessage:
        """Records that the call is not made. Its events, and the result for the model, contain `reason`;
        `error` is the failure that prevents it. Raises `AuditError` if it cannot be recorded.
        """
        await self._step.ended(AuditOutcome.REFUSED, error)
        arguments = self._write_started()
        finish = self._write_finished(ToolResult(reason, ok=False, called=False), error, 0)
        async with _callbacks(self._tool, self._call_id, arguments) as finished:
            await finished(refusal(self._call, self._redact(reason)))
        return refusal(self._call, reason).model_copy(update={"artifact": finish.artifact})

    async def _execute_recorded(
        self, work: Work, arguments: Mapping[str, Any]
    ) -> tuple[ToolResult, AgentError | None]:
        """The result of `work`, whose end is recorded before it is used."""
        labels = ("execute_tool", self._tool, self._shown["service"] or "")
        async with self._step.timed(timed_span(self._calls.tools, labels, "execute_tool", self._tool)):
            span = self._step.span
            if span.recording:
                span.set(Attribute.OPERATION, "execute_tool")
                span.set(Attribute.TOOL_TYPE, "function")
            if span.content:
                span.set(Attribute.TOOL_ARGUMENTS, json.dumps(arguments, ensure_ascii=False, default=str))
            result, error = await work()
            outcome = SUCCESS if result.ok else TOOL_ERROR
            self._step.failed(error or outcome)
            self._step.found(files=tuple(digest(data) for _, data in result.files) or None)
            if span.content:
                span.set(Attribute.TOOL_RESULT, self._redact(result.text))
        return result, error

    async def _kept(self, result: ToolResult) -> ToolResult:
        """The result with a line about each of its files. Those that are kept are shown: no secret."""
        if not result.files:
            return result
        lines = [result.text] if result.text else []
        parts: list[dict[str, Any]] = []
        files = files_of(self._runtime)
        keep = None if files is None else files.keep
        for number, (name, data) in enumerate(result.files):
            fits = number < _MAX_FILES and len(data) <= _MAX_FILE_BYTES
            clean = fits and not contains(data, self._secrets)
            identifier = await keep(data) if clean and keep is not None else None
            part = file_part(identifier or "", self._redact(name), data)
            if identifier:
                lines.append(description(part, _KEPT))
                parts.append(part)
            else:
                lines.append(description(part, _NOT_KEPT))
        if parts:
            self._shown["files"] = parts
        return replace(result, text="\n".join(lines), files=())

    def _write_started(self, *, counts: bool = True) -> dict[str, Any]:
        """Writes `tool_started`, and returns the arguments as they are shown."""
        if self._observed and counts:
            self._calls.observed.add(self._shown["service"], self._observed)
        arguments = shown_arguments(self._redact(dict(self._call["args"])))
        about = {"tool": self._tool, "call_id": self._call_id, **self._shown}
        self._write({"type": "tool_started", **about, "arguments": arguments})
        return arguments

    def _write_finished(self, result: ToolResult, error: ErrorCode | None, milliseconds: int) -> ToolMessage:
        """Writes `tool_finished`, and returns the result for the model, whose artifact is not sent to it."""
        text = self._redact(result.text)
        code = error and error.value
        ended = {"called": result.called, "duration_ms": milliseconds}
        event: dict[str, Any] = {
            "type": "tool_finished",
            "tool": self._tool,
            "call_id": self._call_id,
            **self._shown,
            "ok": result.ok,
            **ended,
            "result": shown_text(text),
        }
        if code is not None:
            event["error"] = code
        self._write(event)
        status: Literal["success", "error"] = "success" if result.ok else "error"
        return ToolMessage(
            result.text,
            tool_call_id=self._call_id,
            name=self._call["name"],
            status=status,
            artifact=self._shown | ended | {"error": code},
        )


@asynccontextmanager
async def _callbacks(
    tool: str, call_id: str, arguments: Mapping[str, Any]
) -> AsyncIterator[Callable[[ToolMessage], Awaitable[None]]]:
    """Calls LangChain's callbacks at the start of a call, and at its end with the result that is passed to
    the yielded function. LangGraph's stream mode `tools` and LangSmith listen to them. A tool is no runnable
    of LangChain here (`tools.service.ToolSchema`), so they are called explicitly.

    `arguments` are as a client may see them. Of an exception only the type is reported. Costs nothing where
    no callback is registered.
    """
    config = var_child_runnable_config.get()
    registered = None if config is None else config.get("callbacks")
    if not isinstance(registered, BaseCallbackManager) or not registered.handlers:
        yield _not_reported
        return
    callbacks = AsyncCallbackManager.configure(registered)
    call = await callbacks.on_tool_start(
        {"name": tool},
        json.dumps(arguments, ensure_ascii=False),
        name=tool,
        inputs=dict(arguments),
        tool_call_id=call_id,
    )
    try:
        yield call.on_tool_end
    except BaseException as error:
        await call.on_tool_error(RuntimeError(f"the call ended with {type(error).__name__}"))
        raise


async def _not_reported(_: ToolMessage) -> None:
    pass
