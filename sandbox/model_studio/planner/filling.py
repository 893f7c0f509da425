"""Filling a tool's arguments from texts: its calls, and what is missing for them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.model_studio.planner.arguments import Argument, Place, arguments_of
from sandbox.model_studio.planner.conversation import Call, Tool
from sandbox.model_studio.planner.reading import Reading


@dataclass(frozen=True, slots=True)
class Plan:
    """A wanted tool: the arguments of its calls, which may be places, and those without a value."""

    tool: Tool
    arguments: tuple[Mapping[str, Any], ...]
    missing: tuple[str, ...]

    @property
    def places(self) -> list[str]:
        """What is to be located first."""
        values = [value for arguments in self.arguments for value in arguments.values()]
        return list(dict.fromkeys(value.name for value in values if isinstance(value, Place)))

    def calls(self, points: Mapping[str, str]) -> list[Call]:
        """The calls with points for the places, by their names; a place without one is left out."""
        calls = []
        for arguments in self.arguments:
            known = {n: v for n, v in arguments.items() if not isinstance(v, Place) or v.name in points}
            located = {n: v.argument.typed(points[v.name]) for n, v in known.items() if isinstance(v, Place)}
            calls.append(Call(self.tool.name, known | located))
        return calls


def fill(tool: Tool, texts: Sequence[Reading], *, locates: bool) -> Plan:
    """Required arguments from any text, optional ones from those that are about the tool.

    `locates`: places can become points. A tool that takes one city is called for each city of a text.
    """
    taken: Counter[str] = Counter()
    every: list[dict[str, Any]] = [{}]
    missing = []
    for argument in arguments_of(tool):
        found = (
            _values(argument, text, tool.words, taken) for text in texts if text.own or argument.required
        )
        values = [argument.typed(value) for value in next(filter(None, found), ())]
        values = [value for value in values if locates or not isinstance(value, Place)]
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
    if argument.kind == "choice":
        return text.choices(argument.schema["enum"])[:1]
    if argument.kind == "flag":
        return text.flags(argument.name)[:1]
    if argument.form and (named := text.named(argument.name, argument.form)):
        return named[:1]
    for source in argument.sources:
        if text.own or source not in ("quoted", "rest"):
            key = f"{source} {argument.kind}"
            values = [v for v in text.values(source, about) if re.search(argument.form, v)][taken[key] :]
            if values:
                taken[key] += 1
                several = argument.is_list or (source == "city" and argument.required)
                is_last = argument.end == "to" and taken[key] == 1
                return values if several else values[-1:] if is_last else values[:1]
    return ()
