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
        found = _mapping(self.parameters.get("properties"))
        return {name: self._resolved(s) for name, s in found.items() if isinstance(s, Mapping)}

    @property
    def required(self) -> tuple[str, ...]:
        """The required ones of `properties`."""
        found = self.parameters.get("required")
        names = found if isinstance(found, list | tuple) else ()
        return tuple(name for name in self.properties if name in names)

    @property
    def words(self) -> str:
        """Its name, its description, and the names and choices of its arguments."""
        choices = [str(c) for schema in self.properties.values() for c in schema.get("enum", ())]
        return " ".join([self.name, self.description, *self.properties, *choices])

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """`Optional[X]` and `Enum` of pydantic: the first member that is not null, the target."""
        union, types = schema.get("anyOf"), schema.get("type")
        members = [_mapping(member) for member in union] if isinstance(union, list) else []
        schema = {**next((m for m in members if m.get("type") != "null"), {}), **schema}
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        schema = {**_mapping(_mapping(self.parameters.get("$defs")).get(name)), **schema}
        if isinstance(types, list):
            schema["type"] = next((type_ for type_ in types if type_ != "null"), None)
        return {k: v for k, v in schema.items() if k != "enum" or isinstance(v, list)}


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
    """The question, the `earlier` ones (newest first), the results of tools since the last."""

    question: str
    earlier: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What the request demands: `must_call` any tool or the `forced` one; `parallel` calls."""

    must_call: bool = False
    forced: str | None = None
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """Either calls, or a text. `thinking` says why."""

    thinking: str
    text: str = ""
    calls: tuple[Call, ...] = ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
