"""The result of a run in OpenAI's form: as one object, or as server-sent events.

In a stream, the agent's tool calls are reported by chunks with an empty `delta` and the extra member
`agent_event`, never as `tool_calls`, which a client would try to run. A failure after the first byte is one
event with `error`, which ends the stream without `[DONE]`. Comments during silence keep proxies from closing
it.
"""

import json
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from agent.api.event_stream import server_sent
from agent.api.waiting_text import waiting_text
from agent.errors.error_codes import AgentCode
from agent.errors.error_response import RequestError, error_body, reported_body
from agent.runs.run import Cancelled, Finished, Paused, RunEvent, RunReader, Usage
from graph.approvals.record import PendingApproval
from graph.approvals.request import approval_of
from graph.events import ConsentRequired, Notice, ServicesUnavailable
from identity.errors import AgentError

_SHOWN: Final = frozenset(
    {"tool_started", "tool_progress", "tool_finished", "consent_required", "services_unavailable", "notice"}
)
"""The events of a run that clients receive as `agent_event`."""


def completion(
    end: Finished | Paused,
    beside: ConsentRequired | ServicesUnavailable | None = None,
    notices: Sequence[Notice] = (),
    *,
    model: str,
    created: int,
    page: str | None = None,
) -> dict[str, Any]:
    """OpenAI's `chat.completion`. The content of a waiting run names the decision that it waits for, and
    where the user makes it: on the `page`.

    `beside` is an event of a run that does not wait. `notices` are a member of their own, `agent_notices`.
    """
    event: dict[str, Any] = {} if beside is None else {"agent_event": beside}
    if isinstance(end, Paused):
        event = {"agent_event": _approval_required(end.pending[0])}
        end = Finished(waiting_text(end.pending[0], page), usage=end.usage)
    if notices:
        event["agent_notices"] = list(notices)
    message: dict[str, Any] = {"role": "assistant", "content": end.text, "refusal": None}
    if end.reasoning:
        message["reasoning_content"] = end.reasoning
    return {
        "id": _new_id(),
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": end.finish_reason, "logprobs": None}],
        "usage": _usage(end.usage),
        **event,
    }


class ChunkEncoder:
    """Encodes one run as OpenAI's `chat.completion.chunk`s."""

    def __init__(self, *, model: str, created: int, include_usage: bool, page: str | None = None) -> None:
        """`page` is where the user decides about what a run waits for."""
        self._include_usage = include_usage
        self._page = page
        # All chunks begin with the same members, which are encoded once.
        head = {"id": _new_id(), "object": "chat.completion.chunk", "created": created, "model": model}
        self._head = "data: " + json.dumps(head)[:-1] + ', "choices": '

    async def texts(self, run: RunReader) -> AsyncIterator[str]:
        """The run as server-sent events."""
        yield self._chunk({"role": "assistant", "content": ""})
        try:
            async for event in run:
                texts = self._event(event)
                for other in run.ready():  # one packet for all that have arrived at once
                    texts += self._event(other)
                if texts:
                    yield "".join(texts)
        except AgentError as error:
            yield server_sent([reported_body(error)])

    def _event(self, event: RunEvent) -> list[str]:
        if isinstance(event, Paused):
            return [*self._pending(event.pending[0]), *self._event(Finished(usage=event.usage))]
        if isinstance(event, Finished):
            last = [self._chunk({}, finish_reason=event.finish_reason)]
            if self._include_usage:
                last.append(f'{self._head}[], "usage": {json.dumps(_usage(event.usage))}}}\n\n')
            return [*last, "data: [DONE]\n\n"]
        if isinstance(event, Cancelled):  # by another request
            code = AgentCode.RUN_CANCELLED
            cancelled = RequestError(None, code.row.for_person(), code=code.value, status=409)
            return [server_sent([error_body(cancelled)])]
        if event["type"] == "content":
            return [self._chunk({"content": event["text"]})]
        if event["type"] == "reasoning":
            return [self._chunk({"reasoning_content": event["text"]})]
        if event["type"] in _SHOWN:
            return [self._chunk({}, f', "agent_event": {json.dumps(event, ensure_ascii=False)}')]
        return []

    def _pending(self, pending: PendingApproval) -> list[str]:
        """Clients that do not know `agent_event` show the content."""
        event = json.dumps(_approval_required(pending), ensure_ascii=False)
        return [
            self._chunk({}, f', "agent_event": {event}'),
            self._chunk({"content": waiting_text(pending, self._page)}),
        ]

    def _chunk(self, delta: dict[str, str], more: str = "", finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        usage = ', "usage": null' if self._include_usage else ""
        return f"{self._head}[{json.dumps(choice, ensure_ascii=False)}]{usage}{more}}}\n\n"


def _approval_required(pending: PendingApproval) -> dict[str, Any]:
    return {"type": "approval_required", "approval": approval_of(pending)}


def _new_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
