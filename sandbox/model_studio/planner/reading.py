"""What one text says: the values of each kind that an argument may take."""

import re
from collections.abc import Sequence
from datetime import date

from sandbox.amap.map.names import names, without_names
from sandbox.model_studio.planner import dates
from sandbox.model_studio.planner.language import LANGUAGE, found, remainder, without, words_of

_NUMBERS = {word: str(i) for i, row in enumerate(LANGUAGE["numbers"].split(",")) for word in row.split()}


class Reading:
    """`today` is what "tomorrow" counts from; `own`: the text is about the tool that takes the values."""

    def __init__(self, text: str, today: date, *, own: bool = True) -> None:
        self.text = text
        self.own = own
        self._dated = dates.resolved(text, today)
        self._plain = without(self._dated, "date", "iso_month", "length")
        self._digits = re.sub("[A-Za-z]+|[一-龥](?=天)", _digits, self._plain)
        self.is_dated = self._plain != text

    @property
    def continues(self) -> bool:
        """Whether it goes on with an earlier question: `And …`, `tomorrow`, a place, an identifier."""
        return bool(found("opening", self.text) or self.is_dated or names(self.text) or self.values("code"))

    @property
    def is_value(self) -> bool:
        """Whether at least half of it may be a value: `in Atlantis`."""
        return 2 * len(" ".join(self.values("rest")).split()) >= len(self.text.split())

    def values(self, source: str, about: str = "") -> Sequence[str]:
        """What a source has, in the order of the text.

        The `rest` is what neither the other sources nor the words `about` the tool explain, names first.
        """
        if source in ("from", "to"):
            return self._end(source, about)
        if source in ("from_city", "to_city"):
            ends = [next((city for _, city in names(e)), e) for e in self._end(source[:-5], about)]
            return ends or self.values("city")[:1]
        if source in ("rest", "keywords"):
            text = without(self._plain, "opening", "quoted")
            runs = remainder(text if source == "rest" else without_names(text), about)
            last = [run for run in runs if run == run.lower() or text.startswith(run)]
            return runs if source == "keywords" else [run for run in runs if run not in last] + last
        if source in ("address", "city"):
            return list(dict.fromkeys(place[source == "city"] for place in names(self.text)))
        if source in ("longitude", "latitude", "point"):
            return found("point", self.text) or self.values("address")
        if source == "month":
            return found("month", self.text) or found("iso_month", self._dated)
        texts = {"date": self._dated, "iso_month": self._dated, "number": self._digits, "code": self._digits}
        return found(source, texts.get(source, self.text))

    def named(self, name: str, form: str) -> list[str]:
        """What the text calls by an argument's name, and has the form."""
        pattern = LANGUAGE["patterns"]["named"].replace("<label>", _label(name) + "s?")
        matches = re.finditer(pattern, self.text, re.IGNORECASE | re.VERBOSE)
        values = [next(filter(None, match.groups())).strip("\"“”' ") for match in matches]
        return [value for value in values if re.search(form, value)]

    def choices(self, options: Sequence[object]) -> list[object]:
        """The options that are mentioned."""
        return [o for o in options if re.search(rf"\b{_label(str(o))}\b", self.text, re.IGNORECASE)]

    def flags(self, name: str) -> list[bool]:
        """Whether it is wanted: `with a window seat`, `no window seat`."""
        pattern = rf"\b(no\s+|not\s+|without\s+(?:an?\s+)?)?{_label(name)}\b"
        return [not match[1] for match in re.finditer(pattern, self.text, re.IGNORECASE)]

    def _end(self, end: str, about: str) -> list[str]:
        """The place at one end of a way."""
        text = without(self._plain, "opening")
        known = self.values("point")
        others = known[:-1][:1] if end == "from" else [] if found("from", text) else [*known[1:2], text]
        return [place for part in (*found(end, text), *others) if (place := _place(part, about))][:1]


def _place(text: str, about: str) -> str:
    """The first point or place in a text: a known one, unless a longer name begins like it."""
    run = next(iter(remainder(text, about)), "")
    known = next((name for name, _ in names(text)), run)
    return next(iter(found("point", text)), run if run.startswith(known) else known)


def _label(name: str) -> str:
    return r"[\s_-]*".join(map(re.escape, words_of(name)))


def _digits(word: re.Match[str]) -> str:
    """A number that is written as a word, in digits; a Chinese one before 天 only."""
    return _NUMBERS.get(word[0].lower(), word[0])
