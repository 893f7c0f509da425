"""Drafts: text and results that a run has shown, and that are in no message yet. They complete the transcript
if the process stops.

A run writes a row for each second or two of a response, with what it has shown since the row before, so that
the sum grows with the response and not with its square. The end of the run removes them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, cast

from agent.conversations.database.database import Rows, Statement
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.message_json import encoded
from agent.conversations.owned_thread import RunKey
from graph.events import AgentEvent, TextEvent

_KEPT: Final = {
    "response_started": ("message_id",),
    "content": ("text",),
    "tool_finished": ("call_id", "result"),
}
"""The events that a transcript needs, with their members."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The events that a run has shown since its draft before. `number` counts the drafts of the run."""

    run: RunKey
    number: int
    events: Sequence[AgentEvent]


def is_kept(event: AgentEvent) -> bool:
    """Whether a draft contains `event`."""
    return event["type"] in _KEPT


def insertion(draft: Draft, encryption: Encryption) -> Statement:
    """Writes `draft`, once, if the run is still that of its thread."""
    owner, thread_id, run_id = draft.run.place
    body = encryption.seal(encoded({"events": _short(draft.events)}), "draft", *draft.run.place, draft.number)
    return Statement(
        "INSERT INTO drafts (thread_key, run_id, number, body) SELECT key, ?, ?, ? FROM threads"
        " WHERE owner = ? AND id = ? AND run_id = ? AND status = 'running' ON CONFLICT DO NOTHING",
        (run_id, draft.number, body, owner, thread_id, run_id),
    )


def read(rows: Rows, encryption: Encryption, run: RunKey) -> list[AgentEvent]:
    """The events in the drafts of a run, whose rows have their numbers and bodies. Raises
    `ConfigurationError` if one is damaged.
    """
    events: list[AgentEvent] = []
    for number, body in rows:
        members = encryption.open(body, "draft", *run.place, number)
        try:
            events += _read(json.loads(members)["events"])
        except (ValueError, KeyError, TypeError):
            fault = f"a draft of thread {run.thread_id} does not have the expected form"
            raise encryption.refusal(fault) from None
    return events


def _short(events: Iterable[AgentEvent]) -> list[dict[str, Any]]:
    """The members that are kept; pieces of text that follow each other are joined."""
    short: list[dict[str, Any]] = []
    for kind, group in groupby(events, key=lambda event: event["type"]):
        if kind == "content":
            text = "".join(cast(TextEvent, event)["text"] for event in group)
            short.append({"type": kind, "text": text})
        else:
            short += [{"type": kind, **_members(cast(dict[str, Any], event))} for event in group]
    return short


def _read(stored: Iterable[dict[str, Any]]) -> list[AgentEvent]:
    return [cast(AgentEvent, {"type": members["type"], **_members(members)}) for members in stored]


def _members(event: dict[str, Any]) -> dict[str, str]:
    return {name: str(event[name]) for name in _KEPT[event["type"]]}
