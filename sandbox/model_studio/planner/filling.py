"""Filling a tool's arguments from texts: its calls, and what is missing for them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.model_studio.planner.arguments import FORMS, Argument, Place, arguments_of
from sandbox.model_studio.planner.conversation import Call, Tool
from sandbox.model_studio.planner.reading import Reading


@dataclass(frozen=True, slots=True)
class Plan:
    """A wanted tool: the arguments of its calls, which may be places, and those without a value."""

    tool: Tool
    arguments: tuple[Mapping[str, Any], ...]
    missing: tuple[str, ...]

    @property
    def places(self) -> list[Place]:
        """What is to be located first; nothing as long as something is missing."""
        values = [] if self.missing else [v for each in self.arguments for v in each.values()]
        return [value for value in values if isinstance(value, Place)]

    def calls(self, points: Mapping[str, str]) -> list[Call]:
        """The calls with points for the places, by their names."""
        calls = [
            {n: v.argument.typed(points[v.name]) if isinstance(v, Place) else v for n, v in each.items()}
            for each in self.arguments
        ]
        return [Call(self.tool.name, arguments) for arguments in calls]


def fill(tool: Tool, texts: Sequence[Reading], geocoder: Tool | None) -> Plan:
    """Required arguments from any text, optional ones from those that are about the tool.

    The `geocoder` locates places. A tool that takes one city is called for each city of a text.
    """
    taken: Counter[str] = Counter()
    every: list[dict[str, Any]] = [{}]
    missing: list[str] = []
    for argument in arguments_of(tool):
        relevant = [text for text in texts if text.own or argument.required]
        found = filter(None, (_values(argument, text, tool.words, taken) for text in relevant))
        values = [argument.typed(value, geocoder) for value in next(found, ())]
        values = [value for value in values if value is not None]
        values = [values] if argument.is_list and values else values
        if not values and argument.required:
            default = texts[0].text.strip() if argument.kind == "message" else argument.schema.get("default")
            values = [] if default is None else [default]
            missing += [] if values else [argument.name]
        if values:
            every = [{**arguments, argument.name: value} for value in values for arguments in every]
    return Plan(tool, tuple(every), tuple(missing))


def _values(argument: Argument, text: Reading, about: str, taken: Counter[str]) -> Sequence[Any]:
    """What one text says for an argument, after the values that are taken."""
    form = FORMS.get(argument.kind, "")
    if argument.kind == "enum":
        return text.choices(argument.schema["enum"])[:1]
    if argument.kind == "boolean":
        return text.flags(argument.name)[:1]
    if form and not argument.is_list and (named := text.named(argument.name, form)):
        return named[:1]
    for source in argument.sources:
        is_any = source in ("quoted", "rest")
        key = source if is_any else f"{source} {argument.kind}"
        found = text.values(source, about) if text.own or not is_any else ()
        if values := [value for value in found if re.search(form, value)][taken[key] :]:
            taken[key] += 1
            several = argument.is_list or (source == "city" and argument.required)
            is_last = argument.end == "to" and taken[key] == 1
            return values if several else values[-1:] if is_last else values[:1]
    return ()
