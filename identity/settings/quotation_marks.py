"""Takes the quotation marks off the values of variables.

The vendor's tutorial shows values within quotation marks, which a shell or a file of variables takes off;
a console, `docker --env-file` and a manifest pass them on as part of the value.
"""

from collections.abc import Collection, Mapping
from typing import Final

_MARK: Final = '"'


def without_quotation_marks(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables; of a value that begins and ends with a quotation mark, and has no other, what is within.

    Other values are unchanged.
    """
    return {name: _within(value) for name, value in environment.items()}


def quotation_mark_faults(environment: Mapping[str, str], names: Collection[str]) -> list[str]:
    """A fault for each variable of `names` whose value begins or ends with a quotation mark that remains."""
    remaining = without_quotation_marks(environment)
    texts = {name: remaining[name].strip() for name in names if name in remaining}
    return [
        f"{name} must not begin or end with a quotation mark, unless one pair encloses the whole value"
        for name, text in texts.items()
        if text.startswith(_MARK) or text.endswith(_MARK)
    ]


def _within(value: str) -> str:
    text = value.strip()
    is_quoted = len(text) > 1 and text.startswith(_MARK) and text.endswith(_MARK)
    return text[1:-1] if is_quoted and _MARK not in text[1:-1] else value
