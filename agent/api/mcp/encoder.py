"""A run as a client of MCP reads it: its progress, and the result of `tools/call`.

Arguments of the agent's own calls, their results and the model's reasoning stay in the agent.
"""

from collections.abc import Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from agent.api.mcp.calls import ANSWER, ASK, AskedCall, Begun, Ended
from agent.api.mcp.message import CAPABILITY_MISSING, URL_REQUIRED, McpError, Members
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import reported_body
from agent.runs.run import End, Finished, Paused, RunEvent, RunReader
from graph.approvals.record import ApprovalKind, PendingApproval
from graph.approvals.request import display_of, interrupt_value
from identity.errors import AgentError

_APPROVE: Final[Members] = {
    "type": "object",
    "properties": {"approve": {"type": "boolean", "title": "Approve this call", "default": False}},
    "required": ["approve"],
}


class CallEncoder:
    """Encodes one call for one request: give it each event of the run, then take the result."""

    def __init__(self, asked: AskedCall, page: str, begun: Begun) -> None:
        """`page` is where the user of a legacy client decides."""
        self._asked = asked
        self._request = asked.request
        self._page = page
        self._sent = 0
        self._ok = False
        self._consent: Members | None = None
        self._end: End | None = None
        self._thread_id: str | None = None
        match begun:
            case RunReader():
                self._thread_id = begun.run.thread_id or None
            case Paused():
                self._end = begun
            case Ended():
                self._thread_id = begun.thread_id
                self._read(begun.messages)

    def event(self, event: RunEvent) -> Members | None:
        """The progress that an event shows, if the client wants it."""
        if isinstance(event, End):
            self._end = event
            return None
        match event["type"]:
            case "content":
                return self._progress(event["text"])
            case "tool_started":
                return self._progress(f"{event['tool']} …")
            case "tool_progress":
                return self._progress(f"{event['tool']}: {event['message']}")
            case "tool_finished":
                self._ok = event["ok"]
            case "consent_required":
                message = f"The agent needs your consent to use your account of {event['service']}."
                self._consent = {"mode": "url", "message": message, "url": event["url"]}
        return None

    def result(self) -> Members:
        """The result. Raises `McpError` if the user has to open a URL first, or cannot be asked."""
        if isinstance(self._end, Paused):
            return self._waits(self._end.pending[0])
        if self._consent is not None and not self._ok:
            return self._question(self._consent, "consent")
        if not isinstance(self._end, Finished):
            return _error(AgentCode.RUN_CANCELLED.row.for_person())
        text = self._end.text
        result: Members = {"content": [{"type": "text", "text": text}]}
        if self._asked.name != ASK:
            return result | {"isError": not self._ok}
        answer = {"answer": text, "conversation": self._thread_id, "finish_reason": self._end.finish_reason}
        return result | {"structuredContent": answer}

    def _read(self, messages: Sequence[AnyMessage]) -> None:
        """The end of a run by its messages; a run whose response is missing was cut off."""
        results = [each for each in messages if isinstance(each, ToolMessage)]
        self._ok = bool(results) and results[-1].status == "success"
        if isinstance(messages[-1], AIMessage):
            self._end = Finished(str(messages[-1].text))

    def _waits(self, pending: PendingApproval) -> Members:
        """The question that a run waits with, and the state with which the client sends the call again."""
        request = pending.request
        text = interrupt_value(pending)["action_requests"][0]["description"]
        state: Members = {"requestState": f"{request.thread_id}.{request.id}"}
        if pending.url is not None and (self._request.modern or request.question is None):
            asked: Members = {"mode": "url", "message": text, "url": pending.url.reveal()}
        elif not self._request.modern:
            asked = {"mode": "url", "message": text, "url": self._page}
        elif request.question is not None:
            asked = {"mode": "form", "message": text, "requestedSchema": pending.parameters}
        elif request.kind is not ApprovalKind.TOOL_CALL:  # sent again with a fresh token, or at once
            return {"resultType": "input_required"} | state
        elif request.approvers is not None:
            asked = {"mode": "form", "message": text, "requestedSchema": {"type": "object", "properties": {}}}
        else:
            shown = [text, *(f"{each['label']}: {each['text']}" for each in display_of(pending.arguments))]
            asked = {"mode": "form", "message": "\n".join(shown), "requestedSchema": _APPROVE}
        return self._question(asked, request.id, state)

    def _question(self, asked: Members, identifier: str, state: Members | None = None) -> Members:
        mode, request = asked["mode"], self._request
        if not request.modern:
            data: dict[str, Any] = {"elicitations": [asked | {"elicitationId": identifier}]}
            raise McpError(URL_REQUIRED, f"{asked['message']} Then send the call again.", data)
        if not request.asks(mode):
            required: Members = {"requiredCapabilities": {"elicitation": {mode: {}}}}
            text = f"The call waits for its user, whom the client cannot ask. They can decide at {self._page}"
            raise McpError(CAPABILITY_MISSING, text, required)
        questions = {ANSWER: {"method": "elicitation/create", "params": asked}}
        return {"resultType": "input_required", "inputRequests": questions} | (state or {})

    def _progress(self, message: str) -> Members | None:
        if (token := self._request.progress_token) is None:
            return None
        self._sent += 1
        params = {"progressToken": token, "progress": self._sent, "message": message}
        return {"jsonrpc": "2.0", "method": "notifications/progress", "params": params}


def failed(error: AgentError) -> Members:
    """The result of a call that failed. It is also logged for operators."""
    body = reported_body(error)["error"]
    return _error(f"{body['code']}: {body['message']}")


def _error(text: str) -> Members:
    return {"content": [{"type": "text", "text": text}], "isError": True}
