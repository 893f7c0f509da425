"""Redacts credentials that a service repeats in its response, before the response is used.

A credential is found as it was sent, and as JSON or a URL encodes it. Not found: a credential that the
service has encoded differently. A text is redacted before it is cut: a part of a credential is not found.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote

from identity.secrets.secret import REDACTED, Secret

_NEVER_ENCODED: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
"""Characters, such as those of a JWT, that JSON and URLs leave as they are (RFC 3986, section 2.3)."""


def redact(value: Any, credentials: Iterable[Secret]) -> Any:  # noqa: ANN401 - any JSON value
    """`value`, a text or a JSON value, with each of `credentials` replaced by `REDACTED`."""
    return Redactor(credentials).redact(value)


def contains_encoded(text: str, credentials: Iterable[Secret]) -> bool:
    """Whether one of `credentials` is in `text`, in a form that is redacted or in base64.

    For a text that must stay as it is, so that it can only be kept or refused.
    """
    return any(form in text for secret in credentials for form in _encoded_forms(secret.reveal()))


def contains(data: bytes, credentials: Iterable[Secret]) -> bool:
    """Whether one of `credentials` appears in `data` as it is. Not checked: encodings of it."""
    return any(secret.reveal().encode() in data for secret in credentials)


class Redactor:
    """Redacts many values; the encoded forms of the credentials are computed once."""

    def __init__(self, credentials: Iterable[Secret]) -> None:
        self.forms = [form for secret in credentials for form in _forms(secret)]
        """The texts that are redacted, the longest of each credential first."""

    def redact(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """`value`, a text or a JSON value, with the credentials replaced by `REDACTED`."""
        if isinstance(value, str):
            for form in self.forms:
                value = value.replace(form.reveal(), REDACTED)
            return value
        if isinstance(value, list):
            return [self.redact(item) for item in value]
        if isinstance(value, dict):
            return {self.redact(key): self.redact(item) for key, item in value.items()}
        return value

    def redact_cut_off(self, text: str) -> str:
        """`text`, which was cut off when it was read, without its end if that may begin a credential."""
        text = self.redact(text)
        return text[: len(text) - self.pending(text)]

    def pending(self, text: str) -> int:
        """The characters at the end of `text`, which is redacted, that may begin a credential."""
        return max((_partial_match(text, form.reveal()) for form in self.forms), default=0)


class StreamRedactor:
    """Redacts a text that arrives in pieces, also where a credential is split between pieces.

    A piece's end that may be the beginning of a credential is returned with the next piece.
    """

    def __init__(self, credential: Secret) -> None:
        self._redactor = Redactor([credential])
        self._pending = ""

    def feed(self, piece: str) -> str:
        """The redacted text that is complete with `piece`."""
        text: str = self._redactor.redact(self._pending + piece)
        pending = self._redactor.pending(text)
        self._pending = text[len(text) - pending :]
        return text[: len(text) - pending]

    def flush(self) -> str:
        """The remaining text. Call it once, after the last piece."""
        rest = self._pending
        self._pending = ""
        return rest


def _forms(secret: Secret) -> list[Secret]:
    value = secret.reveal()
    if value and not value.encode(errors="surrogatepass").translate(None, _NEVER_ENCODED):
        return [secret]
    forms = {value, json.dumps(value)[1:-1], quote(value, safe="")} if value else set()
    return [Secret(form) for form in sorted(forms, key=len, reverse=True)]


def _encoded_forms(value: str) -> Iterator[str]:
    if not value:
        return
    yield from (form.reveal() for form in _forms(Secret(value)))
    for before in range(3):  # characters of three bytes each have four places in base64
        whole = base64.b64encode(b"\0" * before + value.encode()).decode().rstrip("=")
        first = (before * 8 + 5) // 6
        last = (before + len(value.encode())) * 8 // 6
        yield whole[first:last]
        yield whole[first:last].replace("+", "-").replace("/", "_")


def _partial_match(text: str, form: str) -> int:
    """The length of the longest suffix of `text` that is a proper prefix of `form`."""
    place = text.find(form[0], max(0, len(text) - len(form) + 1))
    while place >= 0 and not form.startswith(text[place:]):
        place = text.find(form[0], place + 1)
    return 0 if place < 0 else len(text) - place
