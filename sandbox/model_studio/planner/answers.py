"""The text of an answer, from tool results, or as a question or small talk; in the question's language."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, TypeGuard

from sandbox.amap.cities import CITY_INDEX
from sandbox.model_studio.planner import dates
from sandbox.model_studio.planner.arguments import Filling
from sandbox.model_studio.planner.conversation import Call, Outcome, Tool
from sandbox.model_studio.planner.roles import words_of
from sandbox.model_studio.planner.vocabulary import LANGUAGE, stem, words

STAND_IN, STAND_IN_CHINESE = LANGUAGE["texts"]["signature"]
_SMALL_TALK = {name: re.compile(text, re.IGNORECASE) for name, text in LANGUAGE["small_talk"].items()}
_FAILED = re.compile(
    r"^\W*(?:error|failed|failure|exception|timed? ?out|refused)\b"
    r"|^[^\n{]{0,60}\bfailed:"  # Geocoding failed: ENGINE_RESPONSE_DATA_ERROR
    r"|^[a-z]+(?:_[a-z]+)+: "  # external_service_failed: …
    r"|^\W*(?:错误|失败|出错)",
    re.IGNORECASE,
)
_DECLINED = "The user declined"
_ERROR_KEYS = ("error", "error_code", "errorCode", "error_msg", "error_description")
_REASON_KEYS = ("symptom", "message", "cause", "error_description", "error_msg", "error", "code")
_SPOKEN = ("greeting", "summary", "answer")
_TITLES = ("name", "title", "instruction")
_FEW, _MAX_ROWS, _MAX_DEPTH = 5, 10, 6


class Speaker:
    """Says everything in one language."""

    def __init__(self, *, chinese: bool) -> None:
        self._chinese = chinese

    def answer(
        self, question: str, outcomes: Sequence[Outcome], fillings: Sequence[Filling], today: date
    ) -> str:
        """The result of each tool, then the missing arguments."""
        parts = [self._outcome(outcome, question, today) for outcome in outcomes]
        for filling in fillings:
            if filling.missing:
                needed = "; ".join(_argument(filling.tool, name) for name in filling.missing)
                parts.append(self._say("missing", tool=filling.tool.name, needed=needed))
        return "\n\n".join([*dict.fromkeys(parts), self._say("signature")])

    def talk(self, question: str, tools: Sequence[Tool]) -> str:
        """An answer without tools: a greeting, thanks, or what the offered tools allow."""
        # Last ones first: an agent's own tools usually come after those of an MCP server.
        some = ", ".join(f"`{tool.name}`" for tool in list(reversed(tools))[:_FEW])
        kind = small_talk(question) or "unknown"
        text = "" if kind == "help" else self._say(kind)
        if not tools:
            text += " " + self._say("no_tools")
        elif kind == "help":
            listed = [f"- `{tool.name}`: {_first_sentence(tool.description)}" for tool in tools]
            text = "\n".join([self._say("all_tools"), "", *listed])
        else:
            text += " " + self._say("some_tools", count=len(tools), some=some)
        return f"{text.strip()}\n\n{self._say('signature')}"

    def _say(self, key: str, **values: object) -> str:
        return str(LANGUAGE["texts"][key][self._chinese]).format(**values)

    def _outcome(self, outcome: Outcome, question: str, today: date) -> str:
        try:
            content = json.loads(outcome.text)
        except ValueError:
            content = outcome.text
        if outcome.text.startswith(_DECLINED):
            return self._say("declined", tool=outcome.call.tool)
        if reason := _failure(content, outcome.text):
            return self._say("failed", tool=outcome.call.tool, reason=reason)
        if isinstance(content, Mapping):
            if _rows(days := content.get("forecasts")):
                return self._weather(str(content.get("city", "")), days, dates.days(question, today))
            if change := LANGUAGE["changes"].get(str(content.get("status"))):
                text = str(change[self._chinese]).format_map(defaultdict(lambda: "?", content))
                return re.sub(r"\b1 days", "1 day", text)
            return self._listed(content, question)
        lines = [line for row in content[:_MAX_ROWS] for line in _row(row, 0)] if _rows(content) else []
        return "\n".join(lines) or _scalar(content) or self._say("nothing")

    def _listed(self, content: Mapping[str, Any], question: str) -> str:
        """Texts that are meant to be read first, then what the question's words name, then the rest."""
        if content and all(value == [] for value in content.values()):
            return self._say("none_found")
        asked = words(question)
        spoken = [content[key] for key in _SPOKEN if isinstance(content.get(key), str)]
        rest = [key for key in content if key not in _SPOKEN or not isinstance(content[key], str)]
        rest.sort(key=lambda key: -len(asked & {stem(word) for word in words_of(key)}))
        lines = [line for key in rest for line in _bullets(key, content[key], 0)]
        return "\n".join([*(spoken or [self._say("result")]), *(["", *lines] if lines else [])])

    def _weather(self, city: str, days: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> str:
        """The asked day in a sentence, then the forecast as a table."""
        asked = next((day for day in days if day.get("date") in wanted), days[0])
        known = None if self._chinese else CITY_INDEX.find(city)
        sky, low, high = self._word(asked.get("dayweather")), asked.get("nighttemp"), asked.get("daytemp")
        city = known.english if known else city
        lead = self._say("weather", city=city, date=asked.get("date"), sky=sky, low=low, high=high)
        lines = [lead, "", self._say("weather_columns"), "| --- | --- | --- | --- | --- |"]
        for day in days:
            wind = self._say("wind", wind=self._word(day.get("daywind")), power=day.get("daypower"))
            skies = f"{self._word(day.get('dayweather'))} | {self._word(day.get('nightweather'))}"
            degrees = f"{day.get('nighttemp')}–{day.get('daytemp')}"
            lines.append(f"| {day.get('date')} | {skies} | {degrees} | {wind} |")
        return "\n".join(lines)

    def _word(self, word: object) -> str:
        return str(word if self._chinese else LANGUAGE["english"].get(word, word))


def small_talk(question: str) -> str | None:
    """`help`, `thanks` or `greeting`, if the question is one."""
    return next((kind for kind, pattern in _SMALL_TALK.items() if pattern.search(question)), None)


def thinking(question: str, tools: Sequence[Tool], pending: Sequence[Call], count: int) -> str:
    """The planner's reasons."""
    quoted = question.strip().replace("\n", " ")[:120]
    names = ", ".join(dict.fromkeys(f"`{tool.name}`" for tool in tools))
    calls = "; ".join(
        f"{call.tool}({', '.join(f'{name}={value}' for name, value in call.arguments.items())})"
        for call in pending
    )
    step = f"Next I call {calls}." if calls else "Now I can answer."
    return f'The user asks: "{quoted}". Of {count} tools, {names or "none"} fits. {step}'


def _failure(content: object, text: str) -> str | None:
    """The reason, if the result says that the tool failed."""
    if isinstance(content, Mapping):
        if content.get("ok") is not False and not any(content.get(key) for key in _ERROR_KEYS):
            return None
        reasons = [_scalar(content[key]) for key in _REASON_KEYS if content.get(key)]
        return "; ".join(dict.fromkeys(reasons)) or text
    return content.strip() if isinstance(content, str) and _FAILED.search(content.strip()) else None


def _bullets(key: str, value: object, depth: int) -> list[str]:
    """A member as a list item, what is in it as items below; what is empty or too deep is left out."""
    if value in (None, "", [], {}) or depth > _MAX_DEPTH:
        return []
    label = f"{'  ' * depth}- {' '.join(words_of(key)) or key}:"
    if isinstance(value, Mapping):
        below = [line for k, member in value.items() for line in _bullets(str(k), member, depth + 1)]
        return [label, *below] if below else []
    if _rows(value):
        return [label, *(line for row in value[:_MAX_ROWS] for line in _row(row, depth + 1))]
    return [f"{label} {_measured(key, value)}"]


def _row(row: Mapping[str, Any], depth: int) -> list[str]:
    """An object of a list: its plain members in one line, its name first; the others below."""
    nested = {k: v for k, v in row.items() if isinstance(v, Mapping) or _rows(v)}
    title = next((key for key in _TITLES if key in row and key not in nested), None)
    shown = [f"**{_scalar(row[title])}**"] if title else []
    for k, v in row.items():
        if k not in nested and k != title and v not in (None, "", []):
            shown.append(f"{' '.join(words_of(k))}: {_measured(k, v)}")
    below = [line for k, v in nested.items() for line in _bullets(k, v, depth + 1)]
    return [f"{'  ' * depth}- {', '.join(shown)}", *below]


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
