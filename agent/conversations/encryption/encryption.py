"""Encryption at rest: AES-256-GCM (NIST SP 800-38D) of titles, messages and approvals.

A stored value is a byte that names its form, then
    0: the value in clear;
    1: the name of the key (4 bytes), a random nonce (12), ciphertext and tag.
"""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag

from agent.errors.error_codes import AgentCode
from identity.errors import ConfigurationError
from identity.sealing.sealing_keys import SealingKeys

_CLEAR: Final = b"\0"
_AES_GCM: Final = b"\1"
_NAME_BYTES: Final = 4
_NONCE_BYTES: Final = 12


class Encryption:
    """Seals under the first of `keys`, opens under all of them; without keys, values are stored in clear.

    A value is bound to its place: in another row, or changed, it cannot be opened. Values that were stored
    before there was a key can still be read.
    """

    def __init__(self, keys: SealingKeys | None = None) -> None:
        self._keys = keys

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of the keys, the sealing key first."""
        return () if self._keys is None else tuple(self._keys.by_name)

    @property
    def search_keys(self) -> tuple[bytes, ...]:
        """The keys of hashes: the present one first; the last one, without a key, is no secret."""
        return (b"",) if self._keys is None else (*self._keys.for_hashes.values(), b"")

    def seal(self, value: bytes, place: str) -> bytes:
        """`value` as it is stored at `place`."""
        if self._keys is None:
            return _CLEAR + value
        name = self._keys.sealing
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys.by_name[name].encrypt(nonce, value, place.encode())
        return _AES_GCM + bytes.fromhex(name) + nonce + sealed

    def is_present(self, stored: bytes) -> bool:
        """Whether `seal` would do the same now: under the sealing key, or in clear if there is none."""
        if self._keys is None:
            return stored[:1] == _CLEAR
        return stored.startswith(_AES_GCM + bytes.fromhex(self._keys.sealing))

    def open_sealed(self, stored: bytes, place: str) -> bytes:
        """As `open`; raises also for a value in clear, if there are keys: it may have been put there."""
        if self._keys is not None and stored[:1] == _CLEAR:
            raise unreadable("a value is not encrypted by this agent")
        return self.open(stored, place)

    def open(self, stored: bytes, place: str) -> bytes:
        """The value that was stored at `place`. Raises `ConfigurationError`, which names a missing key."""
        if stored[:1] == _CLEAR:
            return stored[1:]
        if stored[:1] != _AES_GCM:
            raise unreadable("a stored value has an unknown form")
        name = stored[1 : 1 + _NAME_BYTES].hex()
        key = self._keys.by_name.get(name) if self._keys is not None else None
        if key is None:
            lacking = f'CONVERSATIONS_KEY_FILE lacks the key "{name}", under which they are encrypted'
            raise unreadable(lacking)
        sealed = stored[1 + _NAME_BYTES :]
        try:
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except InvalidTag:
            raise unreadable("a stored value was changed, or belongs to another place") from None


def unreadable(why: str) -> ConfigurationError:
    """The error for a stored value that cannot be opened."""
    return ConfigurationError(AgentCode.CONVERSATIONS_UNAVAILABLE, [why])
