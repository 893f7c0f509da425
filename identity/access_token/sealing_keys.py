"""The keys that seal callers: a file with one key, or two during a rotation."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity.base64url import decode_base64url

_KEY_BYTES: Final = 32
_MAX_KEYS: Final = 2


@dataclass(frozen=True, slots=True, repr=False)
class SealingKeys:
    """The first key seals, every key opens. A key is named by the beginning of its SHA-256."""

    sealing: str
    by_name: Mapping[str, AESGCM]
    for_hashes: Mapping[str, bytes]
    """By name: 32 bytes for keyed hashes, derived from the key, which cannot be derived from them."""

    @classmethod
    def of(cls, text: str) -> Self:
        """The keys of a file: base64url of 32 random bytes, one or two lines, the sealing key first.

        Raises `ValueError`, without a key, if there are none, more than two, or one cannot be used.
        """
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not 1 <= len(lines) <= _MAX_KEYS:
            fault = f"must contain one key or two, found {len(lines)}"
            raise ValueError(fault)
        keys = [_key(line) for line in lines]
        names = [hashlib.sha256(key).hexdigest()[:8] for key in keys]
        by_name = {name: AESGCM(key) for name, key in zip(names, keys, strict=True)}
        for_hashes = {
            name: hmac.digest(key, b"keyed hashes", "sha256") for name, key in zip(names, keys, strict=True)
        }
        return cls(names[0], MappingProxyType(by_name), MappingProxyType(for_hashes))

    def __repr__(self) -> str:
        return f"SealingKeys({', '.join(self.by_name)})"


def _key(line: str) -> bytes:
    try:
        key = decode_base64url(line.rstrip("="))
    except ValueError:
        raise ValueError("must contain keys in base64url") from None
    if len(key) != _KEY_BYTES:
        fault = f"must contain keys of {_KEY_BYTES} bytes, found {len(key)}"
        raise ValueError(fault)
    return key
