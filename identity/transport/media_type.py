"""The media type of a `Content-Type` header."""

import re
from typing import Final

_TOKEN: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105 - RFC 9110, section 5.6.2
_MEDIA_TYPE: Final = re.compile(rf"[ \t]*({_TOKEN}/{_TOKEN})[ \t]*(?:;.*)?", re.DOTALL)


def media_type(content_type: str | None) -> str:
    """`type/subtype` of a `Content-Type` value in lower case, or `""` if it is missing or malformed.

    RFC 9110, section 8.3.1. Two header lines, which the HTTP client joins by a comma, are malformed. Not
    checked: the parameters, which nothing here uses (text is read as UTF-8).
    """
    found = _MEDIA_TYPE.fullmatch(content_type or "")
    return found[1].lower() if found else ""
