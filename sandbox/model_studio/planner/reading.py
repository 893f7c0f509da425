"""What one text says: the values of each source that `patterns.toml` names."""

import re
from collections.abc import Callable, Sequence
from datetime import date

from sandbox.model_studio.planner import dates, patterns, places
from sandbox.model_studio.planner.vocabulary import LANGUAGE, STOP_WORDS

_NUMBERS: dict[str, str] = {
    word: str(i) for i, words in enumerate(LANGUAGE["numbers"].split(",")) for word in words.split()
}


class Reading:
    """`today` is what "tomorrow" counts from; `is_value`: the text may be no more than one."""

    def __init__(self, text: str, today: date, *, is_value: bool = False) -> None:
        self.text = text
        self.dated = dates.resolved(text, today)
        self.undated = patterns.without("measure", self.dated)
        self.reply = _bare(text) if is_value and self.undated == text else ""

    def first_of(self, sources: Sequence[str]) -> tuple[str, ...]:
        """The values of the first source that has some, in the order of the text."""
        return next((found for source in sources if (found := self.values(source))), ())

    def values(self, source: str) -> tuple[str, ...]:
        """The values of one source."""
        special = _SPECIAL.get(source)
        return tuple(filter(None, special(self) if special else patterns.found(source, self.text)))

    def named(self, words: Sequence[str], form: str) -> list[str]:
        """What the text calls by an argument's name, and has the form."""
        label = _label(words) + r"s?\b"
        matches = [
            m for p in patterns.RULES["named"] for m in patterns.compiled(p, label).finditer(self.text)
        ]
        values = [patterns.whole(match).strip("\"“”' ") for match in matches]
        return [value for value in values if re.search(form, value)]

    def choices(self, options: Sequence[object]) -> list[object]:
        """The options that are mentioned."""
        return [
            o for o in options if re.search(rf"\b{_label(str(o).split('_'))}\b", self.text, re.IGNORECASE)
        ]

    def flags(self, words: Sequence[str]) -> list[bool]:
        """Whether it is wanted: `with a window seat`, `no window seat`."""
        pattern = rf"\b(no\s+|not\s+|without\s+(?:an?\s+)?)?{_label(words)}\b"
        return [not match[1] for match in re.finditer(pattern, self.text, re.IGNORECASE)]


_SPECIAL: dict[str, Callable[[Reading], Sequence[str]]] = {
    "date": lambda reading: patterns.found("date", reading.dated),
    "month": lambda reading: patterns.found("month", reading.dated),
    "number": lambda reading: patterns.found("number", _digits(reading.undated)),
    "code": lambda reading: patterns.found("code", reading.undated),
    "point": lambda reading: [re.sub(r"\s*[,，]\s*", ",", p) for p in patterns.found("point", reading.text)],
    "length": lambda reading: [_metres(length) for length in patterns.found("length", reading.text)],
    "city": lambda reading: places.cities(reading.undated),
    "address": lambda reading: [places.address(reading.text)],
    "keywords": lambda reading: [places.keywords(reading.text)],
    "from": lambda reading: places.way(reading.text)[:1],
    "to": lambda reading: places.way(reading.text)[1:],
    "from_city": lambda reading: places.cities(places.way(reading.text)[0] or reading.text),
    "to_city": lambda reading: places.cities(places.way(reading.text)[1] or reading.text),
    "reply": lambda reading: [reading.reply],
}


def _label(words: Sequence[str]) -> str:
    return r"[\s_-]*".join(map(re.escape, words))


def _bare(text: str) -> str:
    """The value that a text consists of, beside "And for …"; empty if it says more."""
    text = patterns.without("opening", text, "").strip(" ?？.。!！")
    text = patterns.without("preposition", text, "").strip()
    words = {word.lower() for word in text.split()}
    return text if not STOP_WORDS & words else ""


def _digits(text: str) -> str:
    """The text with numbers as digits that are written as a word; Chinese ones before 天 only."""
    return re.sub(
        r"[a-z]+|[一-龥](?=天)",
        lambda word: _NUMBERS.get(word[0].lower(), word[0]),
        text,
        flags=re.IGNORECASE,
    )


def _metres(length: str) -> str:
    number, unit = re.findall(r"[\d.]+|[^\d.\s]+", length)
    return str(round(float(number) * (1000 if unit.lower()[0] in "k公千" else 1)))
