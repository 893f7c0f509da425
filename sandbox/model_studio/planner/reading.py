"""What one text says: the values of each kind that an argument may take."""

import re
from collections.abc import Sequence
from datetime import date

from sandbox.amap.map.cities import CITIES
from sandbox.amap.map.places import LANDMARKS
from sandbox.model_studio.planner import dates
from sandbox.model_studio.planner.language import LANGUAGE, found, remainder, without, words_of

_NUMBERS = {word: str(i) for i, row in enumerate(LANGUAGE["numbers"].split(",")) for word in row.split()}
_PLACES = {name: (c.short_name, c.short_name) for c in CITIES for name in (c.name, c.short_name)}
_PLACES |= {c.english: (c.english, c.english) for c in CITIES}
_PLACES |= {p.name: (p.name, p.city.short_name) for p in LANDMARKS}
_PLACES |= {p.english: (p.english, p.city.english) for p in LANDMARKS}
_BY_KEY = {re.sub(r"[\s'’]", "", name).lower(): place for name, place in _PLACES.items()}
_LONGEST_FIRST = "|".join(re.escape(name) for name in sorted(_PLACES, key=len, reverse=True))
_LETTERS = _LONGEST_FIRST.replace("'", "['’]?").replace(r"\ ", r"\s*")
_KNOWN = re.compile(rf"(?<![A-Za-z])(?:{_LETTERS})(?![A-Za-z])", re.IGNORECASE)


class Reading:
    """`today` is what "tomorrow" counts from; `own`: the text is about the tool that takes the values."""

    def __init__(self, text: str, today: date, *, own: bool = True) -> None:
        self.text = text
        self.own = own
        self._dated = dates.resolved(text, today)
        self._plain = without(self._dated, "date", "iso_month", "length")
        self.is_dated = self._plain != text

    @property
    def continues(self) -> bool:
        """Whether it goes on with an earlier question: `And …`, `tomorrow`, a place, an identifier."""
        return bool(found("opening", self.text) or self.is_dated or places(self.text) or self.values("code"))

    @property
    def is_value(self) -> bool:
        """Whether at least half of it may be a value: `in Atlantis`."""
        return 2 * len(" ".join(self.values("rest")).split()) >= len(self.text.split())

    def values(self, source: str, about: str = "") -> Sequence[str]:
        """What a source has, in the order of the text.

        The `rest` is what neither the other sources nor the words `about` the tool explain, names first.
        """
        match source:
            case "date" | "iso_month":
                return found(source, self._dated)
            case "month":
                return found("month", self.text) or found("iso_month", self._dated)
            case "number" | "code":
                return found(source, re.sub("[A-Za-z]+|[一-龥](?=天)", _digits, self._plain))
            case "length":
                return [_metres(length) for length in found("length", self.text)]
            case "point":
                return _points(self.text) or self.values("address")
            case "address":
                return [name for name, _ in places(self.text)]
            case "city":
                return list(dict.fromkeys(city for _, city in places(self.text)))
            case "from" | "to":
                return self._end(source, about)
            case "from_city" | "to_city":
                ends = [next((city for _, city in places(e)), e) for e in self._end(source[:-5], about)]
                return ends or self.values("city")[:1]
            case "rest":
                text = without(self._plain, "opening", "quoted")
                runs = remainder(text, about)
                return sorted(runs, key=lambda run: run == run.lower() or text.startswith(run))
            case "keywords":
                return remainder(without_places(without(self._plain, "opening")), about)
            case "message":
                return found("quoted", self.text) or found("message", self.text)
        return found(source, self.text) if source in ("ip", "email", "quoted") else ()

    def named(self, name: str, form: str) -> list[str]:
        """What the text calls by an argument's name, and has the form."""
        pattern = LANGUAGE["named"].replace("<label>", _label(name) + "s?")
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


def places(text: str) -> list[tuple[str, str]]:
    """Names of cities and landmarks, with the city of each, in the order and the letters of the text."""
    return [_BY_KEY[re.sub(r"[\s'’]", "", name).lower()] for name in _KNOWN.findall(text)]


def without_places(text: str) -> str:
    """The text with a comma in the place of each."""
    return _KNOWN.sub(" , ", text)


def _place(text: str, about: str) -> str:
    """The first point or place in a text: a known one, unless a longer name begins like it."""
    run = next(iter(remainder(text, about)), "")
    known = next((name for name, _ in places(text)), run)
    return next(iter(_points(text)), run if run.startswith(known) else known)


def _points(text: str) -> list[str]:
    return [re.sub(r"\s*[,，]\s*", ",", point) for point in found("point", text)]


def _label(name: str) -> str:
    return r"[\s_-]*".join(map(re.escape, words_of(name)))


def _digits(word: re.Match[str]) -> str:
    """A number that is written as a word, in digits; a Chinese one before 天 only."""
    return _NUMBERS.get(word[0].lower(), word[0])


def _metres(length: str) -> str:
    number, unit = re.findall(r"[\d.]+|[^\d.\s]+", length)
    return str(round(float(number) * (1000 if unit.lower()[0] in "k公千" else 1)))
