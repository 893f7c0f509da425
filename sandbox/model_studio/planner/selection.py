"""Which tool a question asks for, by shared words and concepts; a question may ask for several."""

from collections.abc import Sequence
from datetime import date

from sandbox.model_studio.planner import patterns
from sandbox.model_studio.planner.conversation import Conversation, Tool
from sandbox.model_studio.planner.filling import Goal, fill
from sandbox.model_studio.planner.places import without_places
from sandbox.model_studio.planner.reading import Reading
from sandbox.model_studio.planner.vocabulary import terms

_THRESHOLD = 1.2
"""Below it a tool is not meant: one word that also stands in a description is not enough."""
_CLOSE = 0.75
"""Tools whose score is within this share of the best are distinguished by their arguments."""
_TRAVEL = {"@driving", "@walking", "@cycling", "@transit", "@taxi", "@navigation", "@distance"}
_HEAD_FINAL = {"和", "与", "跟", "以及", "、"}


class Toolbox:
    """The tools of one request, with what is needed to compare them."""

    def __init__(self, tools: Sequence[Tool], today: date) -> None:
        self.tools = tools
        self.today = today
        self._weights = {tool.name: _weights(tool) for tool in tools}

    @property
    def geocoder(self) -> Tool | None:
        """The first tool that turns an address, its only required argument, into coordinates."""
        about = {
            tool.name: self._weights[tool.name].keys() & {"@geocode", "@regeocode"} for tool in self.tools
        }
        fitting = (t for t in self.tools if about[t.name] == {"@geocode"} and len(t.required) == 1)
        return next(fitting, None)

    def scores(self, text: str) -> list[tuple[float, Tool]]:
        """All tools, the best first; equal ones in the order of the request."""
        asked = terms(without_places(patterns.without("quoted", text)))
        if "@route" in asked and not asked & _TRAVEL:
            asked |= {"@driving"}
        weights = [(self._weights[tool.name], tool) for tool in self.tools]
        scored = [(sum(found[term] for term in asked & found.keys()), tool) for found, tool in weights]
        return sorted(scored, key=lambda pair: -pair[0])

    def goals(self, question: str, *before: str) -> list[Goal]:
        """The wanted tools in the order of the question; `before` may have values that it does not name.

        A clause without a tool belongs to its neighbour: `Hangzhou and | Beijing`, 杭州和 | 北京的天气.
        """
        spans: list[tuple[Tool, int, int]] = []
        waiting: int | None = None
        clauses = patterns.clauses(question)
        tools = [self._best(question[start:end]) for start, end, _ in clauses]
        for i, ((start, end, joint), tool) in enumerate(zip(clauses, tools, strict=True)):
            first = start if waiting is None else waiting
            if spans and tool in (None, spans[-1][0]) and not (joint in _HEAD_FINAL and any(tools[i + 1 :])):
                spans[-1] = (*spans[-1][:2], end)
            elif tool is None:
                waiting = first
            else:
                spans, waiting = [*spans, (tool, first, end)], None
        texts = self.readings(question, *before)
        return [Goal(tool, (*self.readings(question[first:end]), *texts)) for tool, first, end in spans]

    def readings(self, *texts: str) -> tuple[Reading, ...]:
        """The texts as they are read today."""
        return tuple(Reading(text, self.today) for text in texts)

    def _best(self, text: str) -> Tool | None:
        """The tool that is meant; of close ones that whose arguments the text names; `None` if none is."""
        scores = self.scores(text)
        best = scores[0][0] if scores else 0

        def preference(candidate: tuple[float, Tool]) -> tuple[bool, bool, bool]:
            filling = fill(Goal(candidate[1], self.readings(text)), Conversation(text), self.geocoder)
            return bool(filling.missing), candidate[0] < best * 0.999, not filling.direct

        close = [(score, tool) for score, tool in scores if score >= max(best * _CLOSE, _THRESHOLD)]
        return min(close, key=preference)[1] if close else None


def _weights(tool: Tool) -> dict[str, float]:
    """The terms of a tool. A concept counts for more than a word, and a name for more than a description."""
    parts = {0.5: " ".join(tool.properties), 1.0: tool.description, 2.0: tool.name}
    weights = {term: weight for weight, part in parts.items() for term in terms(part)}
    return weights | {term: 3.0 for term in terms(f"{tool.name} {tool.description}") if term[0] == "@"}
