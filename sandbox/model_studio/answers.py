"""What the stand-in model says: results, failures, missing values, small talk; in the question's language."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeGuard

from sandbox.amap.places import find_city
from sandbox.model_studio.script import (
    SCRIPT,
    Call,
    Conversation,
    Outcome,
    Plan,
    Reading,
    Rules,
    Tool,
    UnknownCallError,
    chinese,
    found,
    planned,
    small_talk,
)

STAND_IN, STAND_IN_CHINESE = SCRIPT["texts"]["signature"].splitlines()
_ENGLISH = dict(pair.split(maxsplit=1) for pair in SCRIPT["texts"]["weather_words"].strip().split(", "))
_ERROR_KEYS = ("error", "error_code", "errorCode", "error_msg", "error_description")
_REASON_KEYS = ("symptom", "message", "cause", "error_description", "error_msg", "error", "code")
_SPOKEN = ("greeting", "summary", "answer")
_TITLES = ("name", "title", "instruction")
_FEW, _MAX_ROWS, _MAX_DEPTH = 5, 10, 6


def decide(
    conversation: Conversation, tools: Sequence[Tool], today: date, rules: Rules
) -> tuple[str, list[Call], str]:
    """A text or calls, and the reasons. `today` is the date that "tomorrow" counts from."""
    question = conversation.question
    speaker = Speaker(question, today)
    try:
        plans, calls, outcomes = planned(conversation, tools, today, rules)
    except UnknownCallError as error:
        return speaker.signed(speaker.say(error.key, **error.values)), [], "The named tool cannot be called."
    fitting = ", ".join(dict.fromkeys(f"`{plan.tool.name}`" for plan in plans)) or "none"
    reasons = f'The user asks: "{" ".join(question.split())[:120]}". Of {len(tools)} tools, {fitting} fits.'
    if calls:
        return "", calls, reasons
    if outcomes or plans:
        return speaker.answer(outcomes, plans), [], reasons
    if small_talk(question) == "instructions":
        return speaker.signed(speaker.say("instructions", text=conversation.instructions)), [], reasons
    return speaker.talk(tools), [], reasons


class Speaker:
    """Words everything in the question's language."""

    def __init__(self, question: str, today: date) -> None:
        self._question = question
        self._chinese = chinese(question)
        self._days = Reading(question, today).dates

    def say(self, key: str, /, **values: object) -> str:
        """A text of the script."""
        text: str = SCRIPT["texts"][key].strip("\n").splitlines()[self._chinese]
        return text.format_map(defaultdict(lambda: "?", values)).replace(" 1 days ", " 1 day ")

    def answer(self, outcomes: Sequence[Outcome], plans: Sequence[Plan]) -> str:
        """The result of each tool, then the missing arguments."""
        parts = [self._outcome(outcome) for outcome in outcomes]
        for plan in plans:
            texts = {name: plan.tool.properties.get(name, {}).get("description") for name in plan.missing}
            needed = [f"**{name}** ({text})" if text else f"**{name}**" for name, text in texts.items()]
            if needed:
                parts.append(self.say("missing", tool=plan.tool.name, needed="; ".join(needed)))
        return self.signed("\n\n".join(dict.fromkeys(parts)))

    def talk(self, tools: Sequence[Tool]) -> str:
        """An answer without tools: a greeting, thanks, or what the offered tools allow."""
        kind = small_talk(self._question) or "unknown"
        if kind == "help" and tools:
            sentences = {t.name: re.split(r"(?<=[.。])\s", t.description.strip())[0] for t in tools}
            lines = [f"- `{name}`: {sentence[:160]}" for name, sentence in sentences.items()]
            return self.signed("\n".join([self.say("all_tools"), "", *lines]))
        # Last ones first: an agent's own tools usually come after those of an MCP server.
        some = list(reversed(tools))[:_FEW]
        names, example = ", ".join(f"`{tool.name}`" for tool in some), some[0].example if some else ""
        able = self.say("some_tools" if tools else "no_tools", count=len(tools), some=names, example=example)
        return self.signed(able if kind == "help" else f"{self.say(kind)} {able}")

    def signed(self, text: str) -> str:
        """The text, and that a stand-in wrote it."""
        return f"{text}\n\n{self.say('signature')}"

    def _outcome(self, outcome: Outcome) -> str:
        text, tool = outcome.text.strip(), outcome.call.tool
        try:
            content = json.loads(text)
        except ValueError:
            content = text
        if text.startswith("The user declined"):
            return self.say("declined", tool=tool)
        if reason := _failure(content, text):
            return self.say("failed", tool=tool, reason=reason)
        if not isinstance(content, Mapping):
            return "\n".join(_items(content)) or _scalar(content) or self.say("nothing")
        if _is_rows(days := content.get("forecasts")):
            return self._forecast(str(content.get("city", "")), days)
        if content.get("status") in ("applied", "cancelled"):
            return self.say(content["status"], **content)
        # What is meant to be read comes first, then what the question names, then the rest.
        asked = set(re.findall("[a-z]+", self._question.lower()))
        spoken = [content[key] for key in _SPOKEN if isinstance(content.get(key), str)]
        keys = sorted(content, key=lambda key: -len(asked.intersection(_label(key).split())))
        lines = _items({key: content[key] for key in keys if content[key] not in spoken})
        if not (spoken or lines):
            return self.say("none_found")
        return "\n".join([*(spoken or [self.say("result")]), *(["", *lines] if lines else [])])

    def _forecast(self, city: str, days: Sequence[Mapping[str, Any]]) -> str:
        """The asked day in a sentence, then all days as a table."""
        english = {} if self._chinese else _ENGLISH
        known = None if self._chinese else find_city(city)
        rows = [{key: english.get(str(value), value) for key, value in day.items()} for day in days]
        asked = next((row for row in rows if row.get("date") in self._days), rows[0])
        lead = self.say("forecast", **(asked | {"city": known.english if known else city}))
        head = [lead, "", self.say("forecast_columns"), "| --- | --- | --- | --- | --- |"]
        return "\n".join([*head, *(self.say("forecast_row", **row) for row in rows)])


def _failure(content: object, text: str) -> str | None:
    """The reason, if the result says that the tool failed."""
    if not isinstance(content, Mapping):
        return text if content == text and found("failure", text) else None
    if content.get("ok") is not False and not any(content.get(key) for key in _ERROR_KEYS):
        return None
    reasons = [_scalar(content[key]) for key in _REASON_KEYS if content.get(key)]
    return "; ".join(dict.fromkeys(reasons)) or text


def _items(value: object, depth: int = 0) -> list[str]:
    """Members of an object or objects of a list as items, without what is empty or too deep."""
    lines: list[str] = []
    indent = "  " * depth + "- "
    if depth > _MAX_DEPTH:
        return []
    for row in value[:_MAX_ROWS] if _is_rows(value) else ():
        plain = {key: _shown(key, member) for key, member in row.items() if _shown(key, member)}
        nested = {key: member for key, member in row.items() if key not in plain}
        title = [f"**{plain.pop(key)}**" for key in _TITLES if key in plain][:1]
        shown = [f"{_label(key)}: {text}" for key, text in plain.items()]
        lines += [indent + ", ".join(title + shown), *_items(nested, depth + 1)]
    for key, member in value.items() if isinstance(value, Mapping) else ():
        text, below = _shown(key, member), _items(member, depth + 1)
        lines += [f"{indent}{_label(key)}: {text}".rstrip(), *below] if text or below else []
    return lines


def _is_rows(value: object) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether `value` is a list of objects, and not empty."""
    return isinstance(value, list) and value != [] and all(isinstance(v, Mapping) for v in value)


def _label(key: str) -> str:
    """`startDate` and `start_date` are `start date`."""
    return " ".join(re.findall(r"[^\W_]+", re.sub("([a-z])([A-Z])", r"\1 \2", key).lower())) or key


def _scalar(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_scalar, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(key: str, value: object) -> str:
    """A member in words, metres and seconds in a readable unit; nothing for objects and rows."""
    is_plain = value not in (None, []) and not isinstance(value, Mapping) and not _is_rows(value)
    text = _scalar(value) if is_plain else ""
    if key not in ("distance", "duration") or not text.replace(".", "", 1).isdecimal():
        return text
    if key == "distance":
        return f"{float(text) / 1000:.1f} km" if float(text) >= 1000 else f"{float(text):.0f} m"
    hours, minutes = divmod(round(float(text) / 60), 60)
    return (f"{hours} h " if hours else "") + f"{minutes} min"
