"""The calls of a conversation, from its messages."""

import json
from typing import Any

from agent.conversations.past_calls import CallHistory
from agent.conversations.thread import StoredJson


def requested(run_id: str, city: str, *, replaced: bool) -> StoredJson:
    call = {"id": "call_0", "name": "weather", "args": {"city": city}}
    return stored(run_id, {"type": "ai", "tool_calls": [call]}, replaced=replaced)


def stored(run_id: str, message: dict[str, Any], *, replaced: bool) -> StoredJson:
    return StoredJson(1, 0.0, run_id, json.dumps(message).encode(), replaced)


def test_calls_of_two_runs_with_one_id_are_two() -> None:
    history = CallHistory()
    history.add(requested("first", "Hangzhou", replaced=True))
    result = {"type": "tool", "tool_call_id": "call_0", "name": "weather", "status": "success"}
    history.add(stored("first", result, replaced=True))
    history.add(requested("second", "Beijing", replaced=False))
    assert [(call.arguments["city"], call.outcome, call.replaced) for call in history.calls] == [
        ("Hangzhou", "ok", True),
        ("Beijing", "unknown", False),
    ]
