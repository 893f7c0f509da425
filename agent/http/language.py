"""The language in which the reader of a response wants what people read."""

from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from identity.observation.request_context import Language

_CHARACTERS: Final = 500
"""Of the header that are looked at."""
_LANGUAGES: Final[dict[str, Language]] = {"en": "en", "zh": "zh"}


def language_of(scope: Scope) -> Language:
    """The one of the two that `Accept-Language` prefers (RFC 9110, section 12.5.4), of two that it prefers
    alike the first; English without the header, or if it names neither. A region or script is not looked at.
    """
    preferred: Language = "en"
    highest = 0.0
    header = Headers(scope=scope).get("accept-language", "")[:_CHARACTERS]
    for choice in header.split(","):
        tag, *parameters = choice.split(";")
        language = _LANGUAGES.get(tag.strip().lower().partition("-")[0])
        quality = _quality(parameters)
        if language is not None and quality > highest:
            preferred = language
            highest = quality
    return preferred


def _quality(parameters: list[str]) -> float:
    """1 without the parameter; 0 for one that is no quality."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            quality = 0.0
            with suppress(ValueError):
                quality = float(value)
            return quality if 0 <= quality <= 1 else 0.0
    return 1.0
