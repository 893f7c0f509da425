"""The patterns of `patterns.toml`, and what they find in a text."""

import re
import tomllib
from functools import lru_cache
from pathlib import Path

RULES = tomllib.loads(Path(__file__).with_name("patterns.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=1024)
def compiled(pattern: str, label: str = "") -> re.Pattern[str]:
    """The pattern with its pieces; `label` is the piece <label>."""
    pieces = RULES["pieces"] | RULES["parts"] | {"label": label}
    whole = re.sub(r"(?<!P)<(\w+)>", lambda piece: pieces[piece[1]], pattern)
    return re.compile(whole, re.IGNORECASE | re.VERBOSE)


def whole(match: re.Match[str]) -> str:
    """What a match counts as: its first group that is not empty, or all of it."""
    return next(filter(None, match.groups()), match[0])


def found(part: str, text: str) -> tuple[str, ...]:
    """All such parts of the text."""
    return tuple(map(whole, compiled(RULES["parts"][part]).finditer(text)))


def first(part: str, text: str) -> str:
    """The first of them, or nothing."""
    return next(iter(found(part, text)), "").strip()


def without(part: str, text: str, instead: str = " ") -> str:
    """The text with `instead` in the place of each such part."""
    return compiled(RULES["parts"][part]).sub(instead, text)


def clauses(text: str) -> list[tuple[int, int, str]]:
    """Pieces between "and", commas and the like, as (start, end, the separator that follows)."""
    cuts = [(*cut.span(), cut[0].strip()) for cut in compiled(RULES["parts"]["separator"]).finditer(text)]
    starts = [0, *(end for _, end, _ in cuts)]
    pieces = zip(starts, [*cuts, (len(text), 0, "")], strict=True)
    return [(start, end, joint) for start, (end, _, joint) in pieces if text[start:end].strip()]
