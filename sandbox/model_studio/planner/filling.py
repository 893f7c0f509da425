"""Filling a tool's arguments from the text: what is found, what must be asked first, what is missing."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.model_studio.planner import patterns
from sandbox.model_studio.planner.arguments import Argument, Role, arguments_of, words_of
from sandbox.model_studio.planner.conversation import Call, Conversation, Outcome, Tool
from sandbox.model_studio.planner.reading import Reading

_LOCATION = re.compile(r"\"location\"\s*:\s*\"([-\d.]+,[-\d.]+)\"|(-?\d+\.\d+,\s*-?\d+\.\d+)")


@dataclass(frozen=True, slots=True)
class Goal:
    """A requested tool. The first `own` of the texts request it, the others are earlier messages."""

    tool: Tool
    texts: tuple[Reading, ...]
    own: int = 1


@dataclass(slots=True)
class Filling:
    """The outcome of filling: `calls`, or what stands in their way."""

    tool: Tool
    calls: tuple[Call, ...] = ()
    missing: list[str] = field(default_factory=list)
    first: list[Call] = field(default_factory=list)
    failed: list[Outcome] = field(default_factory=list)

    @property
    def direct(self) -> bool:
        """Whether the tool can be called at once."""
        return not (self.missing or self.first or self.failed)

    @property
    def steps(self) -> Sequence[Call]:
        """The calls that come next."""
        return self.calls if self.direct else self.first

    def outcomes(self, conversation: Conversation) -> list[Outcome]:
        """The outcomes that answer the question so far."""
        made = [conversation.outcome(call) for call in self.calls] if self.direct else []
        return [*self.failed, *(outcome for outcome in made if outcome)]

    def locate(self, place: str, conversation: Conversation, geocoder: Tool | None) -> str | None:
        """The point of a place, or that point itself. Notes a call that comes first, or that has failed."""
        if patterns.found("point", place):
            return place
        if geocoder is None:
            return None
        call = Call(geocoder.name, {geocoder.required[0]: place})
        if (outcome := conversation.outcome(call)) is None:
            self.first.append(call)
        elif point := _LOCATION.search(outcome.text):
            return point[1] or point[2]
        else:
            self.failed.append(outcome)
        return None


def fill(goal: Goal, conversation: Conversation, geocoder: Tool | None) -> Filling:
    """Required arguments from any text, optional ones only if the goal's own texts plainly name them.

    `geocoder` turns a place into a point. A tool that takes one city is called for each city of the text.
    """
    filling = Filling(goal.tool)
    taken: Counter[Role] = Counter()
    every: list[dict[str, Any]] = [{}]
    for argument in arguments_of(goal.tool):
        role, required = argument.role, argument.required
        texts = goal.texts if required else goal.texts[: goal.own]
        values = next((found for text in texts if (found := _found(argument, text, taken[role]))), ())
        several = argument.is_list or (role.sources[:1] == ("city",) and required)
        values = values if several else values[:1]
        taken[role] += bool(values)
        if role.point:
            values = [p for place in values if (p := filling.locate(place, conversation, geocoder))]
        values = [argument.typed(value) for value in values]
        values = [values] if argument.is_list and values else values
        if not values and required:
            values = [goal.texts[0].text.strip()] if role.name == "message" else argument.defaults
        if values:
            every = [{**arguments, argument.name: value} for value in values for arguments in every]
        elif required and not (filling.first or filling.failed):
            filling.missing.append(argument.name)
    filling.calls = tuple(Call(goal.tool.name, arguments) for arguments in every)
    return filling


def _found(argument: Argument, text: Reading, taken: int) -> Sequence[Any]:
    """What one text says for an argument, after the `taken` values of its role."""
    role = argument.role
    if role.name == "choice":
        return text.choices(argument.schema["enum"])
    if role.name == "flag":
        return text.flags(words_of(argument.name))
    if role.named and not argument.is_list and (named := text.named(words_of(argument.name), role.form)):
        return named
    found = text.first_of(role.sources) if argument.required or role.plain else ()
    return found[-1:] if argument.is_last and not taken else found[taken:]
