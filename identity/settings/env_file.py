"""A file of variables, in place of the process's environment or beside it.

In the form of python-dotenv, without its substitutions: `NAME=value` a line, perhaps after `export`; a value
in single or double quotation marks may have several lines, and escapes; ` #` begins a comment.
"""

import codecs
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_BETWEEN: Final = re.compile(r"\s*(?:\#[^\r\n]*\s*)*")
"""Empty lines and comments."""
_VARIABLE: Final = re.compile(
    r"""
    (?>(?:export[^\S\r\n]+)?)
    (?>'(?P<quoted_name>[^']+)'|(?!')(?P<name>[^=\#\s]+))
    [^\S\r\n]*
    (?:=(?>
        [^\S\r\n]*'(?P<single>(?:\\.|[^'\\])*)'
        |[^\S\r\n]*"(?P<double>(?:\\.|[^"\\])*)"
        |(?![^\S\r\n]*['"])(?P<plain>[^\r\n]*)
    ))?
    [^\S\r\n]*(?:\#[^\r\n]*)?(?:\r\n|\n|\r|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT: Final = re.compile(r"\s+#.*")
_ESCAPED_IN_SINGLE: Final = re.compile(r"\\[\\']")
_ESCAPED_IN_DOUBLE: Final = re.compile(r"\\[\\'\"abfnrtv]")


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file; of two with one name the last. Raises `ValueError` with the reason if it
    cannot be read, which shows no value.
    """
    if not path.is_file():
        raise ValueError("cannot be read: there is none")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise ValueError("must be UTF-8") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    return variables_of(text)


def variables_of(text: str) -> dict[str, str]:
    """The variables of a file's `text`. Raises `ValueError` with the number of a line of another form."""
    variables: dict[str, str | None] = {}
    position = _end_of(_BETWEEN.match(text))
    while position < len(text):
        line = _VARIABLE.match(text, position)
        if line is None:
            number = text.count("\n", 0, position) + 1
            raise ValueError(f"must have NAME=value in line {number}")
        variables[line["quoted_name"] or line["name"]] = _value(line)
        position = _end_of(_BETWEEN.match(text, line.end()))
    return {name: value for name, value in variables.items() if value is not None}


def with_env_file(environment: Mapping[str, str], in_file: Mapping[str, str]) -> dict[str, str]:
    """Both; a variable of `environment` that is not empty wins."""
    given = {name: value for name, value in environment.items() if value.strip() or name not in in_file}
    return {**in_file, **given}


def _end_of(match: re.Match[str] | None) -> int:
    return match.end() if match else 0


def _value(line: re.Match[str]) -> str | None:
    """`None` for a name without `=`."""
    if line["single"] is not None:
        return _ESCAPED_IN_SINGLE.sub(_unescaped, line["single"])
    if line["double"] is not None:
        return _ESCAPED_IN_DOUBLE.sub(_unescaped, line["double"])
    return None if line["plain"] is None else _COMMENT.sub("", line["plain"]).strip()


def _unescaped(escape: re.Match[str]) -> str:
    return codecs.decode(escape[0], "unicode-escape")
