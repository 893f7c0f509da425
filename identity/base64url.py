"""Base64url without padding (RFC 7515, section 2)."""

import base64
import binascii
import re

_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")


def decode_base64url(text: str) -> bytes:
    """The bytes that `text` encodes.

    Raises `ValueError` for padding, other characters, and encodings that are not canonical: each byte string
    has exactly one accepted encoding.
    """
    if not _ALPHABET.fullmatch(text):
        raise ValueError("is not base64url")
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise ValueError("is not base64url") from None
    if base64.urlsafe_b64encode(decoded).rstrip(b"=") != text.encode("ascii"):
        raise ValueError("is not canonical base64url")
    return decoded
