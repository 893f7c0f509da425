"""The stand-in model: from a conversation and the offered tools to calls or an answer. No state, no clock.

`script.toml` is the table of its rules and words. Any offered tool is called by saying so:
`call NAME with {json}`.
"""

import contextlib
import functools
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from sandbox.amap.places import EVERYDAY, names

SCRIPT = tomllib.loads(Path(__file__).with_name("script.toml").read_text(encoding="utf-8"))
_FLAGS = re.IGNORECASE | re.VERBOSE | re.DOTALL
_PATTERNS = {n: re.compile(p, _FLAGS) for part in ("values", "talk") for n, p in SCRIPT[part].items()}
_KINDS = re.compile("|".join(kind for kind, *_ in EVERYDAY), re.IGNORECASE)
_SHORT = 3


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the request offers. `parameters` is its JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    @property
    def properties(self) -> Mapping[str, Mapping[str, Any]]:
        """The arguments' schemas; what is malformed is left out."""
        found = self.parameters.get("properties")
        found = found if isinstance(found, Mapping) else {}
        return {name: schema for name, schema in found.items() if isinstance(schema, Mapping)}

    @property
    def example(self) -> str:
        """How to call it by saying so, with its required arguments."""
        required = self.parameters.get("required")
        wanted = [name for name in self.properties if isinstance(required, list) and name in required]
        values = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}
        given = {name: values.get(str(self.properties[name].get("type")), "…") for name in wanted}
        return f"{self.name} with {json.dumps(given, ensure_ascii=False)}"


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
    """The question, the `earlier` ones (newest first), the results of tools since the last, and what the
    system message says.
    """

    question: str
    earlier: tuple[str, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the request demands: `must_call` any tool or the `forced` one; `parallel` calls."""

    must_call: bool = False
    forced: str | None = None
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class Plan:
    """A wanted tool: its calls, places in them without coordinates, arguments without a value."""

    tool: Tool
    calls: tuple[Call, ...]
    places: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class UnknownCallError(Exception):
    """A named tool cannot be called: the key of the answer, and its values."""

    def __init__(self, key: str, **values: str) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


def found(pattern: str, text: str) -> list[str]:
    """The parts of a text that a pattern of the script finds: the first group of each, or all of it."""
    return [next(filter(None, m.groups()), m[0]).strip() for m in _PATTERNS[pattern].finditer(text)]


def small_talk(question: str) -> str | None:
    """`instructions`, `help`, `thanks` or `greeting`, if the question is one."""
    kinds = ("instructions", "help", "thanks", "greeting")
    return next((kind for kind in kinds if found(kind, question)), None)


def chinese(text: str) -> bool:
    """Whether `text` has more Chinese characters than Latin words."""
    return len(re.findall("[\u3400-\u9fff]", text)) > len(re.findall("[A-Za-z]+", text))


class Reading:
    """The values that one text gives. With `bare` all of it is a value: the answer to a question for one."""

    def __init__(self, text: str, today: date, *, bare: bool = False) -> None:
        self.text = text
        self._bare = [text.strip(" \n?.!？。！")] if bare else []
        ahead = {pattern: today + timedelta(i) for i, pattern in enumerate(SCRIPT["words"]["days"])}
        weekdays = enumerate(SCRIPT["words"]["weekdays"])
        ahead |= {p: today + timedelta((i - today.weekday() - 1) % 7 + 1) for i, p in weekdays}
        days = [day.isoformat() for pattern, day in ahead.items() if re.search(pattern, text, _FLAGS)]
        self.dates = found("date", text) or _month_days(text, today) or days

    def values(self, kind: str) -> Sequence[Any]:
        """All of a kind, in the order of the text."""
        known = names(self.text)
        places = found("point", self.text) or [name for name, _ in known]
        places = places[::-1] if found("backwards", self.text) else places
        match kind:
            case "date":
                return self.dates
            case "days":
                return [_number(word) for word in found("days", self.text)]
            case "city":
                return (
                    list(dict.fromkeys(city for _, city in known)) or found("city", self.text) or self._bare
                )
            case "place":
                return places or self._bare
            case "second place":
                return places[1:]
            case "keywords":
                return found("quoted", self.text) or _KINDS.findall(self.text)
        return found("quoted", self.text) or found(kind, self.text)


def planned(
    conversation: Conversation, tools: Sequence[Tool], today: date, rules: Rules
) -> tuple[list[Plan], list[Call], list[Outcome]]:
    """What is planned, the calls that come next, and the outcomes so far. Raises `UnknownCallError`.

    `today` is the date that "tomorrow" counts from.
    """
    offered = [tool for tool in tools if rules.forced in (None, tool.name)]
    script = _Script(offered, today)
    plans = called(conversation.question, offered) or script.plans(conversation)
    must_call = rules.must_call or rules.forced is not None
    if must_call and not plans:
        plans = [Plan(offered[0], (Call(offered[0].name, {}),))]
    pending, outcomes = script.progress(plans, conversation.outcomes)
    if must_call and not pending:
        pending = list(plans[0].calls)
    return plans, pending if rules.parallel else pending[:1], outcomes if plans else [*conversation.outcomes]


def called(question: str, tools: Sequence[Tool]) -> list[Plan]:
    """The tools that the question calls by saying so. Raises `UnknownCallError`."""
    by_name = {tool.name: tool for tool in tools}
    plans: list[Plan] = []
    end = 0
    while match := _PATTERNS["call"].search(question, end):
        name, end = match[1], match.end()
        if name in by_name:
            arguments: Any = {}
            if match[0].rstrip(" \n:：").endswith(("with", "参数")):
                try:
                    arguments, end = json.JSONDecoder().raw_decode(question, end)
                except ValueError:
                    arguments = None
            if not isinstance(arguments, dict):
                raise UnknownCallError("not_json", tool=name, example=by_name[name].example)
            plans.append(Plan(by_name[name], (Call(name, arguments),)))
        elif question[end : end + 1] == "{":
            raise UnknownCallError("not_offered", tool=name, names=", ".join(by_name) or "–")
    return plans


class _Script:
    """The rules for the tools of one request."""

    def __init__(self, tools: Sequence[Tool], today: date) -> None:
        self._today = today
        by_name = {tool.name: tool for tool in tools}
        names = tuple(by_name)
        self._rules = [(rule, by_name[name]) for rule, name in _rules_for(names)]
        self._geocoder = _match("geo$", names) or ""

    def plans(self, conversation: Conversation) -> list[Plan]:
        """What the question asks for; required values may come from the one before."""
        question, earlier = conversation.question, conversation.earlier
        own, before = [Reading(question, self._today)], [Reading(text, self._today) for text in earlier[:1]]
        plans = [self._plan(rule, tool, own, before) for rule, tool in self._fired(question)]
        return plans or ([] if small_talk(question) else self._continued(question, earlier))

    def _continued(self, question: str, earlier: Sequence[str]) -> list[Plan]:
        """What the last question with a tool asked for, with this one's values: `And in Beijing?`.

        Only the calls that change are made again, or the one call that is about another day.
        """
        short = len(question.split()) <= _SHORT
        if not short and not found("opening", question):
            return []
        between: list[Reading] = []
        for before in earlier:
            base = [*between, Reading(before, self._today)]
            fired = self._fired(before)
            changed = []
            for rule, tool in fired:
                was = self._plan(rule, tool, base, [])
                now = Reading(question, self._today, bare=short and bool(was.missing))
                plan = self._plan(rule, tool, [now, *base], [])
                if plan != was or (now.dates and len(fired) == 1):
                    changed.append(plan)
            if fired:
                return changed
            between.append(base[-1])
        return []

    def progress(
        self, plans: Sequence[Plan], outcomes: Sequence[Outcome]
    ) -> tuple[list[Call], list[Outcome]]:
        """The calls that come next, and the outcomes so far. Places are located first."""
        left, pending, made = list(outcomes), list[Call](), list[Outcome]()
        known: dict[str, Outcome] = {}

        def outcome_of(call: Call) -> Outcome | None:
            """Its own, or one of its tool that no plan has: a person changed the call."""
            if str(call) not in known:
                of_tool = [outcome for outcome in left if outcome.call.tool == call.tool]
                if of_tool:
                    known[str(call)] = min(of_tool, key=lambda outcome: outcome.call != call)
                    left.remove(known[str(call)])
                elif call not in pending:
                    pending.append(call)
            return known.get(str(call))

        for plan in plans:
            points: dict[str, str] = {}
            for place in plan.places:
                if outcome := outcome_of(Call(self._geocoder, {"address": place})):
                    point = found("point", outcome.text)
                    points |= {place: point[0]} if point else {}
                    made += [] if point else [outcome]
            if not plan.missing and len(points) == len(plan.places):
                made += filter(None, (outcome_of(_located(call, points)) for call in plan.calls))
        return pending, made

    def _fired(self, text: str) -> list[tuple[Mapping[str, Any], Tool]]:
        """The first rule of each topic that applies, in the order of the text."""
        fired: dict[str, tuple[int, Mapping[str, Any], Tool]] = {}
        for rule, tool in self._rules:
            if match := re.search(rule["ask"], text, _FLAGS):
                fired.setdefault(rule["topic"], (match.start(), rule, tool))
        return [(rule, tool) for _, rule, tool in sorted(fired.values(), key=lambda entry: entry[0])]

    def _plan(
        self, rule: Mapping[str, Any], tool: Tool, own: Sequence[Reading], others: Sequence[Reading]
    ) -> Plan:
        """The calls of a rule: required values from any text, those with `?` from its `own`."""
        every: list[dict[str, Any]] = [{}]
        places: list[str] = []
        missing: list[str] = []
        for name, source in rule["arguments"].items():
            optional, kind = source.endswith("?"), source.rstrip("?")
            texts = own if optional else [*own, *others]
            values = next(filter(None, (text.values(kind) for text in texts)), ())
            values = values if rule.get("each") == name else values[:1]
            unlocated = [v for v in values if name in rule.get("points", ()) and not found("point", v)]
            if not optional and (not values or (unlocated and not self._geocoder)):
                missing.append(name)
            places += unlocated
            if values:
                every = [{**arguments, name: value} for value in values for arguments in every]
        calls = tuple(Call(tool.name, arguments) for arguments in every)
        return Plan(tool, calls, () if missing else tuple(dict.fromkeys(places)), tuple(missing))


@functools.lru_cache(maxsize=64)
def _rules_for(names: tuple[str, ...]) -> list[tuple[Mapping[str, Any], str]]:
    """The rules for tools of these names, each with its tool: most requests offer the same ones."""
    return [(rule, name) for rule in SCRIPT["rules"] if (name := _match(rule["tool"], names))]


def _match(pattern: str, names: Sequence[str]) -> str | None:
    return next((name for name in names if re.search(pattern, name)), None)


def _located(call: Call, points: Mapping[str, str]) -> Call:
    """The call with coordinates in the place of places."""
    given = {n: points.get(v, v) if isinstance(v, str) else v for n, v in call.arguments.items()}
    return Call(call.tool, given)


def _month_days(text: str, today: date) -> list[str]:
    """`December 1` and 12月1日 as ISO 8601: the next such days."""
    days = []
    for match in _PATTERNS["month_day"].finditer(text):
        name, *numbers = filter(None, match.groups())
        month = SCRIPT["words"]["months"].split().index(name[:3].lower()) + 1 if name.isalpha() else int(name)
        with contextlib.suppress(ValueError):  # February 30 is no day
            day = date(today.year, month, int(numbers[0]))
            days.append(day.replace(year=day.year + (day < today)).isoformat())
    return days


def _number(word: str) -> int:
    words = enumerate(SCRIPT["words"]["numbers"], start=1)
    return int(word) if word.isdecimal() else next(i for i, w in words if word.lower() in w.split("|"))
