"""Which tools a question asks for, by shared words and concepts, and the plans for their calls."""

import re
from collections.abc import Sequence
from datetime import date

from sandbox.amap.map.names import without_names
from sandbox.model_studio.planner.answers import small_talk
from sandbox.model_studio.planner.conversation import Call, Tool
from sandbox.model_studio.planner.filling import Plan, fill
from sandbox.model_studio.planner.language import LANGUAGE, terms, without
from sandbox.model_studio.planner.reading import Reading

_THRESHOLD = 1.2
"""Below it a tool is not meant: one word that also stands in a description is not enough."""
_CLOSE = 0.75
"""Tools whose score is within this share of the best are distinguished by their arguments."""
_TRAVEL = {"@driving", "@walking", "@cycling", "@transit", "@taxi", "@navigation", "@distance"}
_SEPARATOR = re.compile(f"({LANGUAGE['patterns']['separator']})", re.IGNORECASE | re.VERBOSE)
_HEAD_FINAL = {"和", "与", "跟", "以及", "、"}


class Toolbox:
    """The tools of one request."""

    def __init__(self, tools: Sequence[Tool], today: date) -> None:
        self.tools = tools
        self._today = today
        self._weights = [_weights(tool) for tool in tools]
        about = [weights.keys() & {"@geocode", "@regeocode"} for weights in self._weights]
        coders = [tool for tool, found in zip(tools, about, strict=True) if found == {"@geocode"}]
        self._geocoders = [tool for tool in coders if len(tool.required) == 1]

    def lookups(self, places: Sequence[str]) -> list[Call]:
        """The calls that locate places: of the first tool that turns an address into a point."""
        return [Call(t.name, {t.required[0]: p}) for t in self._geocoders[:1] for p in places]

    def plan(self, tool: Tool, own: Sequence[str], others: Sequence[str]) -> Plan:
        """The calls of a tool for its `own` texts; `others` may have values that these have not."""
        texts = [Reading(text, self._today) for text in own]
        texts += [Reading(text, self._today, own=False) for text in others]
        return fill(tool, texts, {} if self._geocoders else None)

    def plans(self, question: str, *before: str) -> list[Plan]:
        """The wanted tools in the order of the question; values may also come from `before`."""
        goals = self._goals(question)
        return [self.plan(tool, [clause], [question, *before]) for tool, clause in goals]

    def continued(self, question: str, earlier: Sequence[str]) -> list[Plan]:
        """What the last question with a tool asked for, with this one's values: `And in Beijing?`.

        If that question asked for several things, those whose calls change are asked for again.
        """
        now = Reading(question, self._today)
        between: list[str] = []
        for before in () if small_talk(question) else earlier:
            changed = []
            goals = self._goals(before)
            for tool, clause in goals:
                was = self.plan(tool, [*between, clause], [before])
                plan = self.plan(tool, [question, *between, clause], [before])
                is_new = plan != was or (now.is_dated and len(goals) == 1)
                if is_new and (now.continues or (was.missing and now.is_value)):
                    changed.append(plan)
            if goals:
                return changed
            between += [before] if Reading(before, self._today).continues else []
        return []

    def nearest(self, text: str, at_least: float = _THRESHOLD) -> list[tuple[float, Tool]]:
        """The tools that may be meant, the best first; equal ones in the order of the request."""
        asked = terms(without_names(without(text, "quoted")))
        if "@route" in asked and not asked & _TRAVEL:
            asked |= {"@driving"}
        scores = [sum(found[term] for term in asked & found.keys()) for found in self._weights]
        least = max(_CLOSE * max(scores, default=0), at_least)
        close = [pair for pair in zip(scores, self.tools, strict=True) if pair[0] >= least]
        return sorted(close, key=lambda pair: -pair[0])

    def _best(self, text: str) -> Tool | None:
        """The tool that is meant: of close ones that whose arguments the text has; or none."""
        close = self.nearest(text)

        def preference(pair: tuple[float, Tool]) -> tuple[bool, bool, bool]:
            plan = self.plan(pair[1], [text], [])
            return bool(plan.missing), pair[0] < close[0][0] * 0.999, bool(plan.places)

        return min(close, key=preference)[1] if close else None

    def _goals(self, question: str) -> list[tuple[Tool, str]]:
        """The wanted tools in the order of the question, with the part of it that is about each.

        A clause without a tool belongs to its neighbour: `Hangzhou and | Beijing`, 杭州和 | 北京的天气.
        """
        pieces = ["", *_SEPARATOR.split(question), ""]
        tools = [self._best(clause) for clause in pieces[1::2]]
        goals: list[tuple[Tool, str]] = []
        waiting = ""
        for i, tool in enumerate(tools):
            before, clause, after = pieces[2 * i : 2 * i + 3]
            clause = waiting + before + clause if waiting else clause
            waits = after.strip() in _HEAD_FINAL and any(tools[i + 1 :])
            waiting = ""
            if goals and tool in (None, goals[-1][0]) and not waits:
                goals[-1] = (goals[-1][0], goals[-1][1] + before + clause)
            elif tool:
                goals.append((tool, clause))
            else:
                waiting = clause
        return goals


def _weights(tool: Tool) -> dict[str, float]:
    """The terms of a tool: a concept counts for more than a word, a name for more than the rest."""
    parts = {0.5: " ".join(tool.properties), 1.0: tool.description, 2.0: tool.name}
    weights = {term: weight for weight, part in parts.items() for term in terms(part)}
    return weights | {t: 3.0 for t in terms(f"{tool.name} {tool.description}") if t[0] == "@"}
