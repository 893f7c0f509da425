"""What the question asks for: which tool for which part of it. A question may ask for two things."""

from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.model_studio.planner import passages
from sandbox.model_studio.planner.arguments import Material, fill
from sandbox.model_studio.planner.conversation import Conversation, Tool
from sandbox.model_studio.planner.passages import Clause
from sandbox.model_studio.planner.places import known_places
from sandbox.model_studio.planner.tool_fit import THRESHOLD, Toolbox

_HEAD_FINAL = {"和", "与", "跟", "以及", "、"}
_CLOSE = 0.75
"""Tools whose score is within this share of the best are told apart by their arguments."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A tool, and the part of the text that asks for it."""

    tool: Tool
    text: str


@dataclass(slots=True)
class _Part:
    start: int
    end: int
    tool: Tool | None
    joined: str


def find_goals(text: str, toolbox: Toolbox, material: Material) -> tuple[Goal, ...]:
    """The goals in the order of the text; none if no tool fits.

    A clause without a tool belongs to its neighbour: `Hangzhou and | Beijing`, 杭州和 | 北京的天气.
    """
    parts = [
        _Part(c.start, c.end, _best(_piece(text, c), toolbox, material), c.joined)
        for c in passages.clauses(text)
    ]
    parts = _joined(text, parts)
    found = tuple(Goal(part.tool, text[part.start : part.end].strip()) for part in parts if part.tool)
    if found:
        return found
    whole = _best(text, toolbox, material)
    return (Goal(whole, text),) if whole else ()


def best_tool(text: str, toolbox: Toolbox) -> Tool:
    """The tool that fits best, however badly. The toolbox must not be empty."""
    return toolbox.ranked(text)[0][1]


def _piece(text: str, clause: Clause) -> str:
    return text[clause.start : clause.end]


def _best(text: str, toolbox: Toolbox, material: Material) -> Tool | None:
    ranked = toolbox.ranked(text)
    if not ranked or ranked[0][0] < THRESHOLD:
        return None
    best = ranked[0][0]
    close = [tool for score, tool in ranked if score >= best * _CLOSE and score >= THRESHOLD]
    if len(close) == 1:
        return close[0]
    here = Material((text,), Conversation(text), material.today, material.geocoder)
    equal = {tool.name for score, tool in ranked if score >= best * 0.999}

    def preference(tool: Tool) -> tuple[bool, bool, bool]:
        filling = fill(tool, here)
        return bool(filling.missing or filling.failed), tool.name not in equal, not filling.direct

    return min(close, key=preference)


def _joined(text: str, parts: Sequence[_Part]) -> list[_Part]:
    """Gives clauses without a tool to a neighbour, and unites neighbours that ask for the same tool."""
    joined: list[_Part] = []
    waiting: int | None = None
    for i, part in enumerate(parts):
        following = next((p.tool for p in parts[i + 1 :] if p.tool), None)
        if part.tool is None:
            if joined and not (part.joined in _HEAD_FINAL and following):
                joined[-1].end = part.end
            elif waiting is None:
                waiting = part.start
            continue
        start = part.start if waiting is None else waiting
        waiting = None
        if joined and joined[-1].tool is part.tool and not _two_ways(text, joined[-1], part):
            joined[-1].end = part.end
        else:
            joined.append(_Part(start, part.end, part.tool, part.joined))
    return joined


def _two_ways(text: str, one: _Part, other: _Part) -> bool:
    return all(len(known_places(text[part.start : part.end])) > 1 for part in (one, other))
