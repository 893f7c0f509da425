"""A strict parser of the JWS compact serialization (RFC 7515, section 7.1).

A token is parsed once, here, so that the claims are read from the bytes whose signature is verified.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from identity.base64url import decode_base64url
from identity.strict_json import read_object

_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True, slots=True)
class CompactJws:
    """A parsed JWS whose payload is a JSON object. Its signature is not verified."""

    header: Mapping[str, Any]
    payload: Mapping[str, Any]
    signing_input: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_compact_jws(token: str) -> CompactJws:
    """Parses a token. Raises `ValueError` that names the part, and no other exception.

    Refused are: other than three parts (JWE and the JSON serialization among them), characters outside the
    base64url alphabet, padding, base64url that is not canonical, JSON that is not strict, and an empty
    signature.
    """
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("it must have 3 parts")
    header, payload, signature = (
        _read(decode_base64url, part, name)
        for part, name in zip(parts, ("header", "payload", "signature"), strict=True)
    )
    return CompactJws(
        header=_read(read_object, header, "header"),
        payload=_read(read_object, payload, "payload"),
        signing_input=token[: token.rindex(".")].encode("ascii"),
        signature=signature,
    )


def _read(read: Callable[[_A], _B], part: _A, name: str) -> _B:
    """`read(part)`; its `ValueError` begins with the `name` of the part."""
    try:
        return read(part)
    except ValueError as error:
        message = f"the {name} {error}"
        raise ValueError(message) from None
