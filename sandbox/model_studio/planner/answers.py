"""The text of an answer, from tool results, or as a question or small talk; in the question's language."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeGuard

from sandbox.amap.map.cities import CITY_INDEX
from sandbox.model_studio.planner import patterns
from sandbox.model_studio.planner.arguments import words_of
from sandbox.model_studio.planner.conversation import Call, Outcome, Tool
from sandbox.model_studio.planner.filling import Filling
from sandbox.model_studio.planner.reading import Reading
from sandbox.model_studio.planner.vocabulary import LANGUAGE, chinese, stem, words

STAND_IN, STAND_IN_CHINESE = LANGUAGE["texts"]["signature"]
_DECLINED = "The user declined"
_ERROR_KEYS = ("error", "error_code", "errorCode", "error_msg", "error_description")
_REASON_KEYS = ("symptom", "message", "cause", "error_description", "error_msg", "error", "code")
_SPOKEN = ("greeting", "summary", "answer")
_TITLES = ("name", "title", "instruction")
_FEW, _MAX_ROWS, _MAX_DEPTH = 5, 10, 6
_EMPTY: tuple[object, ...] = (None, "", [], {})


class Speaker:
    """Says everything in the question's language."""

    def __init__(self, question: str, today: date) -> None:
        self._question = question
        self._chinese = chinese(question)
        self._days = Reading(question, today).values("date")

    def answer(self, outcomes: Sequence[Outcome], fillings: Sequence[Filling]) -> str:
        """The result of each tool, then the missing arguments."""
        parts = [self._outcome(outcome) for outcome in outcomes]
        for filling in fillings:
            if filling.missing:
                needed = "; ".join(_argument(filling.tool, name) for name in filling.missing)
                parts.append(self._say("missing", tool=filling.tool.name, needed=needed))
        return "\n\n".join([*dict.fromkeys(parts), self._say("signature")])

    def talk(self, tools: Sequence[Tool]) -> str:
        """An answer without tools: a greeting, thanks, or what the offered tools allow."""
        kind = small_talk(self._question) or "unknown"
        # Last ones first: an agent's own tools usually come after those of an MCP server.
        some = ", ".join(f"`{tool.name}`" for tool in list(reversed(tools))[:_FEW])
        if kind == "help" and tools:
            listed = [f"- `{tool.name}`: {_first_sentence(tool.description)}" for tool in tools]
            text = "\n".join([self._say("all_tools"), "", *listed])
        else:
            allowed = self._say("some_tools", count=len(tools), some=some) if tools else self._say("no_tools")
            text = f"{self._say(kind)} {allowed}".strip()
        return f"{text}\n\n{self._say('signature')}"

    def _say(self, key: str, /, **values: object) -> str:
        text = str(LANGUAGE["texts"][key][self._chinese]).format_map(defaultdict(lambda: "?", values))
        return re.sub(r"\b1 days\b", "1 day", text)

    def _outcome(self, outcome: Outcome) -> str:
        try:
            content = json.loads(outcome.text)
        except ValueError:
            content = outcome.text
        if outcome.text.startswith(_DECLINED):
            return self._say("declined", tool=outcome.call.tool)
        if reason := _failure(content, outcome.text):
            return self._say("failed", tool=outcome.call.tool, reason=reason)
        if not isinstance(content, Mapping):
            lines = [line for row in content[:_MAX_ROWS] for line in _row(row, 0)] if _rows(content) else []
            return "\n".join(lines) or _scalar(content) or self._say("nothing")
        if _rows(days := content.get("forecasts")):
            return self._forecast(str(content.get("city", "")), days)
        if content.get("status") in ("applied", "cancelled"):
            return self._say(content["status"], **content)
        return self._listed(content)

    def _listed(self, content: Mapping[str, Any]) -> str:
        """Texts that are meant to be read first, then what the question's words name, then the rest."""
        if content and all(value == [] for value in content.values()):
            return self._say("none_found")
        asked = words(self._question)
        spoken = [content[key] for key in _SPOKEN if isinstance(content.get(key), str)]
        rest = [key for key in content if content[key] not in spoken]
        rest.sort(key=lambda key: -len(asked & {stem(word) for word in words_of(key)}))
        lines = [line for key in rest for line in _item(key, content[key], 0)]
        return "\n".join([*(spoken or [self._say("result")]), *(["", *lines] if lines else [])])

    def _forecast(self, city: str, days: Sequence[Mapping[str, Any]]) -> str:
        """The asked day in a sentence, then all days as a table."""
        english = {} if self._chinese else LANGUAGE["sky"] | LANGUAGE["wind"]
        known = None if self._chinese else CITY_INDEX.find(city)
        rows = [{key: english.get(str(value), value) for key, value in day.items()} for day in days]
        asked = next((row for row in rows if row.get("date") in self._days), rows[0])
        lead = self._say("forecast", **(asked | {"city": known.english if known else city}))
        head = [lead, "", self._say("forecast_columns"), "| --- | --- | --- | --- | --- |"]
        return "\n".join([*head, *(self._say("forecast_row", **row) for row in rows)])


def small_talk(question: str) -> str | None:
    """`help`, `thanks` or `greeting`, if the question is one."""
    return next((kind for kind in ("help", "thanks", "greeting") if patterns.found(kind, question)), None)


def thinking(question: str, tools: Sequence[Tool], pending: Sequence[Call], count: int) -> str:
    """The planner's reasons."""
    names = ", ".join(dict.fromkeys(f"`{tool.name}`" for tool in tools)) or "none"
    calls = "; ".join(f"{call.tool}({json.dumps(call.arguments, ensure_ascii=False)})" for call in pending)
    step = f"Next I call {calls}." if calls else "Now I can answer."
    return f'The user asks: "{" ".join(question.split())[:120]}". Of {count} tools, {names} fits. {step}'


def _failure(content: object, text: str) -> str | None:
    """The reason, if the result says that the tool failed."""
    if not isinstance(content, Mapping):
        return text.strip() if content == text and patterns.found("failure", text.strip()) else None
    if content.get("ok") is not False and not any(content.get(key) for key in _ERROR_KEYS):
        return None
    return "; ".join(dict.fromkeys(_scalar(content[key]) for key in _REASON_KEYS if content.get(key))) or text


def _item(key: str, value: object, depth: int) -> list[str]:
    """A member as a list item, what is in it as items below; what is empty or too deep is left out."""
    label = f"{'  ' * depth}- {' '.join(words_of(key)) or key}:"
    if value in _EMPTY or depth > _MAX_DEPTH:
        return []
    if isinstance(value, Mapping):
        below = [line for k, member in value.items() for line in _item(str(k), member, depth + 1)]
        return [label, *below] if below else []
    if _rows(value):
        return [label, *(line for row in value[:_MAX_ROWS] for line in _row(row, depth + 1))]
    return [f"{label} {_measured(key, value)}"]


def _row(row: Mapping[str, Any], depth: int) -> list[str]:
    """An object of a list: its plain members in one line, its name first; the others below."""
    nested = {k: v for k, v in row.items() if isinstance(v, Mapping) or _rows(v)}
    plain = {k: _measured(k, v) for k, v in row.items() if k not in nested and v not in _EMPTY}
    title = next((f"**{plain.pop(key)}**" for key in _TITLES if key in plain), None)
    shown = [f"{' '.join(words_of(k))}: {v}" for k, v in plain.items()]
    below = [line for k, v in nested.items() for line in _item(k, v, depth + 1)]
    return [f"{'  ' * depth}- {', '.join([title, *shown] if title else shown)}", *below]


def _rows(value: object) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether `value` is a list of objects, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _scalar(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_scalar, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _measured(key: str, value: object) -> str:
    """A length in metres or a time in seconds in a readable unit, any other value as it is."""
    text = _scalar(value)
    if key not in ("distance", "duration") or not text.replace(".", "", 1).isdecimal():
        return text
    if key == "distance":
        return f"{float(text) / 1000:.1f} km" if float(text) >= 1000 else f"{float(text):.0f} m"
    hours, minutes = divmod(round(float(text) / 60), 60)
    return (f"{hours} h " if hours else "") + f"{minutes} min"


def _argument(tool: Tool, name: str) -> str:
    description = str(tool.properties[name].get("description", "")).strip()
    return f"**{name}** ({description})" if description else f"**{name}**"


def _first_sentence(description: str) -> str:
    return re.split(r"(?<=[.。])\s|\n", description.strip(), maxsplit=1)[0][:160]
