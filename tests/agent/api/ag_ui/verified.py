"""AG-UI's events read back: each validated by the official Python models, and all by the protocol's order."""

import json
from collections.abc import Iterable
from typing import Any

from ag_ui.core import Event
from pydantic import TypeAdapter

EVENT = TypeAdapter(Event)
_OPENED_BY = {"TEXT_MESSAGE": "messageId", "REASONING_MESSAGE": "messageId", "REASONING": "messageId"}
_OPENED_BY |= {"TOOL_CALL": "toolCallId", "STEP": "stepName"}
_WITHIN = {"CONTENT", "ARGS"}


def read_events(text: str) -> list[dict[str, Any]]:
    """The events of a stream, as the official client splits it; comments and ids are skipped."""
    frames = [frame.split("\n") for frame in text.split("\n\n") if frame]
    lines = [line for frame in frames for line in frame if not line.startswith((": ", "id: "))]
    assert len(lines) <= len(frames)
    assert all(line.startswith("data: ") for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def verified(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """`events`, if a client accepts them. The models ignore unknown members, so these are refused here."""
    events = list(events)
    assert events[0]["type"] in ("RUN_STARTED", "RUN_ERROR")
    opened: set[tuple[str, str]] = set()
    for number, event in enumerate(events):
        model = EVENT.validate_python(event)
        assert not model.model_extra, f"{event['type']} has no {sorted(model.model_extra or {})}"
        assert None not in event.values()
        kind = event["type"]
        if kind in ("RUN_FINISHED", "RUN_ERROR"):
            assert number == len(events) - 1
        if kind == "RUN_FINISHED":
            assert not opened
        name, _, part = kind.rpartition("_")
        if name not in _OPENED_BY:
            continue
        thing = (name, event[_OPENED_BY[name]])
        if part in ("START", "STARTED"):
            assert thing not in opened
            opened.add(thing)
        elif part in ("END", "FINISHED"):
            opened.remove(thing)
        elif part in _WITHIN:
            assert thing in opened
    return events


def of_type(events: Iterable[dict[str, Any]], *types: str) -> list[dict[str, Any]]:
    """The events of these types."""
    return [event for event in events if event["type"] in types]


def text_of(events: Iterable[dict[str, Any]], kind: str = "TEXT_MESSAGE_CONTENT") -> str:
    """All pieces of text."""
    return "".join(event["delta"] for event in of_type(events, kind))
