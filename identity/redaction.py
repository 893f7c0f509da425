"""Credentials that a service sends back: found and taken out before anybody reads its answer.

Found is a credential as it was sent, and as JSON or a URL would write it; not one that the service has
otherwise changed.
"""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from identity.secret import REDACTED, Secret


def redact(value: Any, presented: Iterable[Secret]) -> Any:  # noqa: ANN401 - any JSON value
    """`value`, a text or a JSON value, without the credentials that were `presented` to its author."""
    return Redactor(presented).redact(value)


class Redactor:
    """The same for many values: the forms of the credentials are made once."""

    def __init__(self, presented: Iterable[Secret]) -> None:
        self._forms = [form for secret in presented for form in _forms(secret)]

    def redact(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """`value` without them."""
        return _without(value, self._forms)


class StreamRedactor:
    """The same for a text that comes in pieces: what may be the beginning of a credential waits for the next
    piece, nothing else does.
    """

    def __init__(self, presented: Secret) -> None:
        self._forms = _forms(presented)
        self._waiting = ""

    def feed(self, piece: str) -> str:
        """What of the text so far may be read now."""
        text = _without(self._waiting + piece, self._forms)
        waiting = max((_beginning(text, form.reveal()) for form in self._forms), default=0)
        self._waiting = text[len(text) - waiting :]
        return str(text[: len(text) - waiting])

    def flush(self) -> str:
        """What still waits, once the text has ended."""
        rest, self._waiting = self._waiting, ""
        return rest


def _forms(secret: Secret) -> list[Secret]:
    value = secret.reveal()
    forms = {value, json.dumps(value)[1:-1], quote(value, safe="")} if value else set()
    return [Secret(form) for form in sorted(forms, key=len, reverse=True)]


def _beginning(text: str, form: str) -> int:
    """The length of the longest end of `text` with which `form` begins."""
    return next((n for n in range(min(len(text), len(form) - 1), 0, -1) if text.endswith(form[:n])), 0)


def _without(value: Any, forms: list[Secret]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        for form in forms:
            value = value.replace(form.reveal(), REDACTED)
        return value
    if isinstance(value, list):
        return [_without(item, forms) for item in value]
    if isinstance(value, dict):
        return {_without(key, forms): _without(item, forms) for key, item in value.items()}
    return value
