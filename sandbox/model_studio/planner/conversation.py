"""What the planner is given and decides: tools, calls, outcomes, a conversation, a decision."""

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
        """The arguments' schemas, unions and references resolved; what is malformed is left out."""
        found = self.parameters.get("properties")
        members = found.items() if isinstance(found, Mapping) else ()
        return {name: self._resolved(schema) for name, schema in members if isinstance(schema, Mapping)}

    @property
    def required(self) -> tuple[str, ...]:
        found = self.parameters.get("required")
        return tuple(n for n in found if n in self.properties) if isinstance(found, list | tuple) else ()

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """`Optional[X]` and `Enum` as pydantic writes them: the first member that is not null, the target."""
        union = schema.get("anyOf")
        for member in union if isinstance(union, list) else ():
            if isinstance(member, Mapping) and member.get("type") != "null":
                schema = {**member, **schema}
                break
        definitions = self.parameters.get("$defs")
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        target = definitions.get(name) if isinstance(definitions, Mapping) else None
        return {**target, **schema} if isinstance(target, Mapping) else schema


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call, made or to be made."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A call of this turn and the text that came back."""

    call: Call
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """The question now, the `earlier` questions (newest first), the tools' results since the last."""

    question: str
    earlier: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()

    def outcome(self, call: Call) -> Outcome | None:
        """The last outcome of this call."""
        return next((o for o in reversed(self.outcomes) if o.call == call), None)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the request demands: `must_call` any tool, or the tool `forced`; several calls at once or not."""

    must_call: bool = False
    forced: str | None = None
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """Either calls, or a text. `thinking` says why."""

    thinking: str
    text: str = ""
    calls: tuple[Call, ...] = ()
