"""How well each offered tool fits a piece of text, by shared words and concepts. Rare ones count for more."""

import math
from collections import Counter
from collections.abc import Sequence

from sandbox.model_studio.planner.conversation import Tool
from sandbox.model_studio.planner.passages import without_quotes
from sandbox.model_studio.planner.places import without_places
from sandbox.model_studio.planner.vocabulary import concepts, words

_NAME, _DESCRIPTION, _CONCEPT = 2.0, 1.0, 3.0
_TRAVEL = {"driving", "walking", "cycling", "transit", "taxi", "navigation", "distance"}
THRESHOLD = 1.2
"""Below it a tool is not meant: one word that also stands in a description is not enough."""


class Toolbox:
    """The tools of one request, with what is needed to compare them."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools = tuple(tools)
        self._names = {tool.name: words(tool.name) for tool in tools}
        self._descriptions = {tool.name: words(tool.description) for tool in tools}
        self._concepts = {tool.name: concepts(f"{tool.name} {tool.description}") for tool in tools}
        self._word_counts = Counter(
            word for tool in tools for word in self._names[tool.name] | self._descriptions[tool.name]
        )
        self._concept_counts = Counter(concept for found in self._concepts.values() for concept in found)

    def has_concept(self, tool: Tool, concept: str) -> bool:
        """Whether the tool's name or description touches the concept."""
        return concept in self._concepts[tool.name]

    def ranked(self, text: str) -> list[tuple[float, Tool]]:
        """All tools, the best first; equal ones in the order of the request."""
        about = without_places(without_quotes(text))
        asked_words, asked_concepts = words(about), _with_default(concepts(about))
        scored = [(self._score(tool, asked_words, asked_concepts), tool) for tool in self.tools]
        return sorted(scored, key=lambda pair: -pair[0])

    def _score(self, tool: Tool, asked: frozenset[str], asked_concepts: frozenset[str]) -> float:
        name, description = self._names[tool.name], self._descriptions[tool.name]
        score = sum(
            (_NAME if word in name else _DESCRIPTION) / self._word_counts[word]
            for word in asked & (name | description)
        )
        shared = asked_concepts & self._concepts[tool.name]
        return score + sum(_CONCEPT / math.sqrt(self._concept_counts[concept]) for concept in shared)


def _with_default(asked: frozenset[str]) -> frozenset[str]:
    """Whoever asks for the way and does not say how, drives."""
    return asked | {"driving"} if "route" in asked and not asked & _TRAVEL else asked
