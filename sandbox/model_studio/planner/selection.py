"""Which tool the question asks for, by shared words and concepts; a question may ask for two things."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.model_studio.planner import phrases
from sandbox.model_studio.planner.arguments import Goal, Material, fill
from sandbox.model_studio.planner.conversation import Conversation, Tool
from sandbox.model_studio.planner.places import known_places, without_places
from sandbox.model_studio.planner.roles import Role, role
from sandbox.model_studio.planner.vocabulary import concepts, words

_NAME, _DESCRIPTION, _ARGUMENT, _CONCEPT = 2.0, 1.0, 0.5, 3.0
_THRESHOLD = 1.2
"""Below it a tool is not meant: one word that also stands in a description is not enough."""
_CLOSE = 0.75
"""Tools whose score is within this share of the best are distinguished by their arguments."""
_TRAVEL = {"driving", "walking", "cycling", "transit", "taxi", "navigation", "distance"}
_HEAD_FINAL = {"和", "与", "跟", "以及", "、"}


class Toolbox:
    """The tools of one request, with what is needed to compare them. Rare words count for more."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools = tuple(tools)
        self._words = {tool.name: _weights(tool) for tool in tools}
        self._concepts = {tool.name: concepts(f"{tool.name} {tool.description}") for tool in tools}
        self._word_counts = Counter(word for found in self._words.values() for word in found)
        self._concept_counts = Counter(concept for found in self._concepts.values() for concept in found)

    def ranked(self, text: str) -> list[tuple[float, Tool]]:
        """All tools, the best first; equal ones in the order of the request."""
        about = without_places(phrases.without_quotes(text))
        asked_words, asked_concepts = words(about), concepts(about)
        if "route" in asked_concepts and not asked_concepts & _TRAVEL:
            asked_concepts |= {"driving"}
        scored = [(self._score(tool, asked_words, asked_concepts), tool) for tool in self.tools]
        return sorted(scored, key=lambda pair: -pair[0])

    def geocoder(self) -> tuple[str, str] | None:
        """The first tool that turns an address, its only argument, into coordinates; and that argument."""
        for tool in self.tools:
            needed = tool.required or tuple(tool.properties)
            about = self._concepts[tool.name]
            if "geocode" in about and "regeocode" not in about and len(needed) == 1:
                found = role(needed[0], tool.properties[needed[0]])
                if found in (Role.ADDRESS, Role.CITY, Role.OTHER, Role.KEYWORDS):
                    return tool.name, needed[0]
        return None

    def _score(self, tool: Tool, asked: frozenset[str], asked_concepts: frozenset[str]) -> float:
        weights = self._words[tool.name]
        score = sum(weights[word] / self._word_counts[word] for word in asked & weights.keys())
        shared = asked_concepts & self._concepts[tool.name]
        return score + sum(_CONCEPT / math.sqrt(self._concept_counts[concept]) for concept in shared)


def find_goals(text: str, toolbox: Toolbox, material: Material, earlier: Sequence[str] = ()) -> list[Goal]:
    """The goals in the order of the text; none if no tool fits.

    A clause without a tool belongs to its neighbour: `Hangzhou and | Beijing`, 杭州和 | 北京的天气.
    """
    parts = [
        _Part(start, end, _best(text[start:end], toolbox, material), separator)
        for start, end, separator in phrases.clauses(text)
    ]
    found = [(part.tool, text[part.start : part.end].strip()) for part in _joined(text, parts) if part.tool]
    if not found and (whole := _best(text, toolbox, material)):
        found = [(whole, text)]
    return [Goal(tool, (piece, text, *earlier)) for tool, piece in found]


@dataclass(slots=True)
class _Part:
    start: int
    end: int
    tool: Tool | None
    separator: str


def _weights(tool: Tool) -> dict[str, float]:
    arguments = words(" ".join(tool.properties))
    return (
        dict.fromkeys(arguments, _ARGUMENT)
        | dict.fromkeys(words(tool.description), _DESCRIPTION)
        | dict.fromkeys(words(tool.name), _NAME)
    )


def _best(text: str, toolbox: Toolbox, material: Material) -> Tool | None:
    ranked = toolbox.ranked(text)
    best = ranked[0][0] if ranked else 0
    close = [(score, tool) for score, tool in ranked if score >= max(best * _CLOSE, _THRESHOLD)]
    here = Material(Conversation(text), material.today, material.geocoder)

    def preference(candidate: tuple[float, Tool]) -> tuple[bool, bool, bool]:
        score, tool = candidate
        filling = fill(Goal(tool, (text,)), here)
        return bool(filling.missing or filling.failed), score < best * 0.999, not filling.direct

    return min(close, key=preference)[1] if close else None


def _joined(text: str, parts: Sequence[_Part]) -> list[_Part]:
    """Gives clauses without a tool to a neighbour, and unites neighbours that ask for the same tool."""
    joined: list[_Part] = []
    waiting: int | None = None
    for i, part in enumerate(parts):
        if part.tool is None:
            followed = any(following.tool for following in parts[i + 1 :])
            if joined and not (part.separator in _HEAD_FINAL and followed):
                joined[-1].end = part.end
            elif waiting is None:
                waiting = part.start
            continue
        start, waiting = part.start if waiting is None else waiting, None
        if joined and joined[-1].tool is part.tool and not _two_ways(text, joined[-1], part):
            joined[-1].end = part.end
        else:
            joined.append(_Part(start, part.end, part.tool, part.separator))
    return joined


def _two_ways(text: str, one: _Part, other: _Part) -> bool:
    return all(len(known_places(text[part.start : part.end])) > 1 for part in (one, other))
