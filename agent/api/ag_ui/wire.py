"""The names that AG-UI's events share."""

from typing import Any, Final, TypeAlias

PROTOCOL_VERSION: Final = "1.0"

METADATA_KEY: Final = "idaas-agent"
"""The member of an event's or message's `metadata` that contains what AG-UI has no member for."""

Event: TypeAlias = dict[str, Any]
"""An event, with the members and names that it has on the wire. Optional members are absent, never null."""


def result_id(call_id: str) -> str:
    """The id of the message with a call's result, the same in events and in snapshots."""
    return f"result-{call_id}"


def reasoning_id(message_id: str) -> str:
    """The id of the reasoning message before an assistant's message."""
    return f"{message_id}-reasoning"
