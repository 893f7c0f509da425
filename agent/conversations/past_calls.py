"""The calls of a conversation, as they are kept in its messages: also of questions that were asked anew,
because what was done for those is not undone.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

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


def calls_in(messages: Iterable[StoredJson]) -> list[PastCall]:
    """The calls of `messages`, which are all those of a conversation, in their order.

    One without a result has the outcome `unknown`: it may be under way, or may have taken effect.
    """
    calls: dict[str, PastCall] = {}
    for stored in messages:
        message = json.loads(stored.json)
        if message["type"] == "ai":
            for call in message.get("tool_calls", ()):
                requested = PastCall(
                    call["id"], call["name"], stored.created_at, "unknown", stored.replaced, call["args"], {}
                )
                calls[call["id"]] = requested  # one whose arguments a person changed is kept again
        elif message["type"] == "tool":
            call_id = message["tool_call_id"]
            asked = calls.get(call_id)
            about = message.get("artifact") or {}
            calls[call_id] = PastCall(
                call_id,
                message.get("name") or (asked.tool if asked else ""),
                stored.created_at,
                _outcome(message, about),
                stored.replaced,
                asked.arguments if asked else {},
                about,
            )
    return list(calls.values())


def _outcome(message: Mapping[str, Any], about: Mapping[str, Any]) -> CallOutcome:
    if about.get("called") is False:
        return "not_called"
    return "ok" if message.get("status") == "success" else "failed"
