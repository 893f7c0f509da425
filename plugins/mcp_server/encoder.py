"""A run as a client of MCP reads it: its progress, and the result of `tools/call`.

Arguments of the agent's own calls, their results and the model's reasoning stay in the agent.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agent.api.json_rpc import Members, notification
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import reported_body
from agent.http.page_address import where_to_decide
from agent.runs.run import End, Finished, Paused, RunEvent, RunReader
from graph.approvals.card import card_text, summary
from graph.approvals.record import ApprovalKind, PendingApproval
from graph.approvals.titles import NO_TITLES, Titles
from graph.events import Notice
from identity.errors import AgentError
from identity.printable import printable
from plugins.mcp_server.calls import ANSWER, ASK, AskedCall, Begun, CallState
from plugins.mcp_server.message import CAPABILITY_MISSING, URL_REQUIRED, McpError
from tools.result_schema import ResultSchema

_NOT_FITTING: Final = (
    "The call was made, and its result is above. It does not fit the outputSchema of the tool, or was cut."
)
_APPROVE: Final[Members] = {
    "type": "object",
    "properties": {"approve": {"type": "boolean", "title": "Approve this call", "default": False}},
    "required": ["approve"],
}


class CallEncoder:
    """Encodes one call for one request: give it each event of the run, then take the result."""

    def __init__(
        self,
        asked: AskedCall,
        page: str | None,
        begun: Begun,
        titles: Titles = NO_TITLES,
        returns: ResultSchema | None = None,
    ) -> None:
        """`page` is where the user of a legacy client decides. `returns` is the tool's `outputSchema`."""
        self._asked = asked
        self._request = asked.request
        self._page = page
        self._titles = titles
        self._returns = returns
        self._sent = 0
        self._consent: Members | None = None
        self._unavailable: dict[str, str] = {}
        self._notices: list[Notice] = []
        self._call = (
            CallState(thread_id=begun.run.thread_id or None) if isinstance(begun, RunReader) else begun
        )

    def event(self, event: RunEvent) -> Members | None:
        """The progress that an event shows, if the client wants it."""
        if isinstance(event, End):
            self._call.end = event
            return None
        match event["type"]:
            case "content":
                return self._progress(event["text"])
            case "tool_started":
                return self._progress(f"{event['tool']} …")
            case "tool_progress":
                return self._progress(f"{event['tool']}: {printable(event['message'])}")
            case "tool_finished":
                self._call.ok = event["ok"]
            case "consent_required":
                service = self._titles.service(event["service"])
                message = f"The agent needs your consent to use your account of {service}."
                self._consent = {"mode": "url", "message": message, "url": event["url"]}
            case "services_unavailable":
                self._unavailable |= event["services"]
                return self._progress(f"unavailable: {', '.join(event['services'])}")
            case "notice":
                self._notices.append(event)
                return self._progress(printable(event["text"]))
        return None

    def result(self) -> Members:
        """The result. Raises `McpError` if the user has to open a URL first, or cannot be asked."""
        call = self._call
        end = self._call.end
        if isinstance(end, Paused):
            return self._waits(end.pending[0])
        if self._consent is not None and not call.ok:
            return self._question(self._consent, "consent")
        if not isinstance(end, Finished):
            return _error(AgentCode.RUN_CANCELLED.row.for_person())
        text = end.text
        about = meta(self._unavailable, self._notices)
        result: Members = {"content": [{"type": "text", "text": text}], **about}
        if self._asked.name != ASK:
            return result | self._of_service(text)
        answer = {"answer": text, "conversation": call.thread_id, "finish_reason": end.finish_reason}
        return result | {"structuredContent": answer}

    def _of_service(self, text: str) -> Members:
        """The members of a result of a service's tool. What does not fit its `outputSchema`, such as a result
        that was cut, is an error, as the specification wants it, and says that the call was made.
        """
        if self._returns is None or not self._call.ok:
            return {"isError": not self._call.ok}
        value = self._returns.value_in(text)
        if value is None:
            return _error(text, _NOT_FITTING)
        return {"isError": False, "structuredContent": value}

    def _waits(self, pending: PendingApproval) -> Members:
        """The question that a run waits with, and the state with which the client sends the call again."""
        request = pending.request
        text = card_text(pending) if self._request.modern else summary(request)
        state: Members = {"requestState": f"{request.thread_id}.{request.id}"}
        if pending.url is not None and (self._request.modern or request.kind is not ApprovalKind.ELICITATION):
            asked: Members = {"mode": "url", "message": text, "url": pending.url.reveal()}
        elif not self._request.modern:
            asked = {"mode": "url", "message": text, "url": self._page or ""}
        elif request.kind is ApprovalKind.ELICITATION:
            asked = {"mode": "form", "message": text, "requestedSchema": pending.parameters}
        elif request.kind is not ApprovalKind.TOOL_CALL:  # sent again with a fresh token, or at once
            return {"resultType": "input_required"} | state
        elif request.approvers is not None:
            asked = {"mode": "form", "message": text, "requestedSchema": {"type": "object", "properties": {}}}
        else:
            asked = {"mode": "form", "message": text, "requestedSchema": _APPROVE}
        return self._question(asked, request.id, state)

    def _question(self, asked: Members, identifier: str, state: Members | None = None) -> Members:
        mode = asked["mode"]
        request = self._request
        if not request.modern:
            data: dict[str, Any] = {"elicitations": [asked | {"elicitationId": identifier}]}
            raise McpError(URL_REQUIRED, f"{asked['message']} Then send the call again.", data)
        if not request.asks(mode):
            required: Members = {"requiredCapabilities": {"elicitation": {mode: {}}}}
            where = where_to_decide(self._page, identifier)
            text = f"The call waits for its user, whom the client cannot ask. {where}"
            raise McpError(CAPABILITY_MISSING, text, required)
        questions = {ANSWER: {"method": "elicitation/create", "params": asked}}
        about = meta({}, self._notices)
        return {"resultType": "input_required", "inputRequests": questions, **about} | (state or {})

    def _progress(self, message: str) -> Members | None:
        if (token := self._request.progress_token) is None:
            return None
        self._sent += 1
        params = {"progressToken": token, "progress": self._sent, "message": message}
        return notification("notifications/progress", params)


def meta(unavailable: Mapping[str, str], notices: Sequence[Notice] = ()) -> Members:
    """The member `_meta` of a result: the services whose tools it lacks, by the codes of their failures, and
    what its user should know.
    """
    about: Members = {}
    if unavailable:
        about["idaas-agent/services_unavailable"] = dict(unavailable)
    if notices:
        about["idaas-agent/notices"] = list(notices)
    return {"_meta": about} if about else {}


def failed(error: AgentError) -> Members:
    """The result of a call that failed. It is also logged for operators."""
    body = reported_body(error)["error"]
    return _error(f"{body['code']}: {body['message']}")


def _error(*texts: str) -> Members:
    return {"content": [{"type": "text", "text": text} for text in texts], "isError": True}
