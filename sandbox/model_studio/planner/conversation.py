"""What the planner is given and decides: tools, calls, outcomes, a conversation, a decision."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the request offers. `parameters` is its JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Mapping[str, Any]]:
        found = self.parameters.get("properties")
        return (
            {k: v for k, v in found.items() if isinstance(v, Mapping)} if isinstance(found, Mapping) else {}
        )

    @property
    def required(self) -> tuple[str, ...]:
        found = self.parameters.get("required")
        return (
            tuple(name for name in found if name in self.properties)
            if isinstance(found, list | tuple)
            else ()
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, made or to be made."""

    tool: str
    arguments: Mapping[str, Any]

    @property
    def key(self) -> str:
        """Equal for calls that are the same."""
        return f"{self.tool} {json.dumps(self.arguments, sort_keys=True, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A call of this turn and the text that came back."""

    call: Call
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """The question now, the person's question before it, and what the tools have answered since."""

    question: str
    earlier: str = ""
    outcomes: tuple[Outcome, ...] = ()

    def outcome(self, call: Call) -> Outcome | None:
        """What this call answered; the last time, if it was made more than once."""
        return next((o for o in reversed(self.outcomes) if o.call.key == call.key), None)


@dataclass(frozen=True, slots=True)
class Decision:
    """Either calls, or a text. `thinking` says why, in the language of the question."""

    thinking: str
    text: str = ""
    calls: tuple[Call, ...] = ()
