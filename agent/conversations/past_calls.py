"""The calls of a conversation, as they are kept in its messages: also of questions that were asked anew,
because what was done for those is not undone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from agent.conversations.thread import StoredJson

CallOutcome: TypeAlias = Literal["ok", "failed", "not_called", "unknown"]


@dataclass(frozen=True, slots=True)
class PastCall:
    """A call. `at` is when its result was kept, in unix seconds; of one without a result, when it was
    requested. `about` is what its result says of it: service, access identity, credential, duration, error.
    `replaced`: it was made for a question that was asked anew.
    """

    call_id: str
    tool: str
    at: float
    outcome: CallOutcome
    replaced: bool
    arguments: Mapping[str, Any] = field(repr=False)
    about: Mapping[str, Any] = field(repr=False)


class CallHistory:
    """The calls of a conversation, from its messages in their order.

    One without a result has the outcome `unknown`: it may be under way, or may have taken effect. A model may
    give the same id to calls of two runs: they are two calls.
    """

    def __init__(self) -> None:
        self._calls: Final[dict[tuple[str, str], PastCall]] = {}

    @property
    def calls(self) -> Sequence[PastCall]:
        """The calls of the messages so far, as they were requested."""
        return list(self._calls.values())

    def add(self, stored: StoredJson) -> None:
        """The next message."""
        message = json.loads(stored.json)
        if message["type"] == "ai":
            for call in message.get("tool_calls", ()):
                requested = PastCall(
                    call["id"], call["name"], stored.created_at, "unknown", stored.replaced, call["args"], {}
                )
                # One whose arguments a person changed is kept again.
                self._calls[stored.run_id, call["id"]] = requested
        elif message["type"] == "tool":
            self._add_result(stored, message)

    def _add_result(self, stored: StoredJson, message: Mapping[str, Any]) -> None:
        call_id = message["tool_call_id"]
        requested = self._calls.get((stored.run_id, call_id))
        about = message.get("artifact") or {}
        self._calls[stored.run_id, call_id] = PastCall(
            call_id,
            message.get("name") or (requested.tool if requested else ""),
            stored.created_at,
            _outcome(message, about),
            stored.replaced,
            requested.arguments if requested else {},
            about,
        )


def _outcome(message: Mapping[str, Any], about: Mapping[str, Any]) -> CallOutcome:
    if about.get("called") is False:
        return "not_called"
    return "ok" if message.get("status") == "success" else "failed"
