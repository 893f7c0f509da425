"""The names that AG-UI's events share, and their form as server-sent events."""

import json
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

PROTOCOL_VERSION: Final = "1.0"

METADATA_KEY: Final = "idaas-agent"
"""The member of an event's or message's `metadata` that contains what AG-UI has no member for."""

Event: TypeAlias = dict[str, Any]
"""An event, with the members and names that it has on the wire. Optional members are absent, never null."""

_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def server_sent(events: Iterable[Event]) -> str:
    """`events` as server-sent events. The official client ends an event at LF, LF and nothing else."""
    return "".join([f"data: {_ENCODE(event)}\n\n" for event in events])


def json_text(value: object) -> str:
    """`value` as JSON in a string member, such as the arguments of a call."""
    return _ENCODE(value)


def result_id(call_id: str) -> str:
    """The id of the message with a call's result, the same in events and in snapshots."""
    return f"result-{call_id}"


def reasoning_id(message_id: str) -> str:
    """The id of the reasoning message before an assistant's message."""
    return f"{message_id}-reasoning"
