"""What one text says: the values of each kind that an argument may take."""

import re
from collections.abc import Sequence
from datetime import date

from sandbox.amap.map.names import names, without_names
from sandbox.model_studio.planner import dates
from sandbox.model_studio.planner.language import LANGUAGE, found, remainder, without, words_of

_NUMBERS = {w: str(i) for i, row in enumerate(LANGUAGE["numbers"].split(",")) for w in row.split()}


class Reading:
    """`today` is what "tomorrow" counts from; `own`: the text is about the tool to be called."""

    def __init__(self, text: str, today: date, *, own: bool = True) -> None:
        self.text = text
        self.own = own
        self._dated = dates.resolved(text, today)
        self._plain = without(self._dated, "date", "iso_month", "length")
        self._digits = re.sub("[A-Za-z]+|[一-龥](?=天)", _digits, self._plain)
        self.is_dated = self._plain != text

    @property
    def continues(self) -> bool:
        """Whether it goes on with an earlier question: `And …`, `tomorrow`, a place, a code."""
        has_value = self.is_dated or names(self.text) or self.values("code")
        return bool(has_value or found("opening", self.text))

    @property
    def is_value(self) -> bool:
        """Whether at least half of it may be a value: `in Atlantis`."""
        return 2 * len(" ".join(self.values("rest")).split()) >= len(self.text.split())

    def values(self, source: str, about: str = "") -> Sequence[str]:
        """What a source has, in the order of the text.

        The `rest` is what nothing else and no word `about` the tool explains, names first.
        """
        if source in ("from", "to"):
            return self._end(source, about)
        if source in ("from_city", "to_city"):
            ends = [next((city for _, city in names(e)), e) for e in self._end(source[:-5], about)]
            return ends or self.values("city")[:1]
        text = without(self._plain, "opening", "quoted")
        if source == "keywords":
            return remainder(without_names(text), about)
        if source == "rest":
            runs = remainder(text, about)
            return sorted(runs, key=lambda run: run == run.lower() or text.startswith(run))
        if source in ("address", "city"):
            return list(dict.fromkeys(place[source == "city"] for place in names(self.text)))
        if source in ("longitude", "latitude", "point"):
            return found("point", self.text) or self.values("address")
        if source == "month":
            return found("month", self.text) or found("iso_month", self._dated)
        dated, digits = self._dated, self._digits
        texts = {"date": dated, "iso_month": dated, "number": digits, "code": digits}
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
        others = known[:1] if len(known) > 1 else []
        if end == "to":
            others = [] if found("from", text) else [*known[1:2], text]
        places = [_place(part, about) for part in (*found(end, text), *others)]
        return [place for place in places if place][:1]


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
