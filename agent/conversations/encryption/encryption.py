"""Encryption at rest: AES-256-GCM (NIST SP 800-38D) of titles, messages, files, approvals and checkpoints.

A stored value is a byte that names its form, then
    0: the value in clear;
    1: the name of the key (4 bytes), a random nonce (12), ciphertext and tag.

A sealed value is bound to its place: what it is, its owner, and what identifies it among theirs, such as
thread and run. Elsewhere it is refused.
"""

import logging
import secrets
import time
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag

from agent.conversations.database.database import Transaction, query
from agent.errors.error_codes import AgentCode
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import ConfigurationError

_LOG: Final = logging.getLogger("idaas_agent.conversations")
_CLEAR: Final = b"\0"
_AES_GCM: Final = b"\1"
_NAME_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_REMEMBERED_SECONDS: Final = 600.0
"""How long a refused value counts for readiness."""
CLEAR: Final = "clear"
"""In place of a key's name: values in clear."""


class Encryption:
    """Seals under the first of `keys`, opens under all of them; without keys, values are stored in clear.

    A value is bound to its place: in another row or column, or changed, it is refused. Under keys, so is a
    value in clear, unless `allows_clear`: those were stored before there was a key, or by another program.
    """

    def __init__(
        self,
        keys: SealingKeys | None = None,
        *,
        allows_clear: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self.allows_clear: Final = keys is None or allows_clear
        self._monotonic = monotonic
        self._refused: tuple[float, ConfigurationError] | None = None

    @property
    def key_names(self) -> tuple[str, ...]:
        """The names of the keys, the sealing key first."""
        return () if self._keys is None else tuple(self._keys.by_name)

    @property
    def search_keys(self) -> tuple[bytes, ...]:
        """The keys of hashes, the present one first. While clear is allowed, the last one is no secret: it
        finds what was stored without a key.
        """
        keys = () if self._keys is None else tuple(self._keys.for_hashes.values())
        return (*keys, b"") if self.allows_clear else keys

    def seal(self, value: bytes, *place: str | int) -> bytes:
        """`value` as it is stored at `place`."""
        if self._keys is None:
            return _CLEAR + value
        name = self._keys.sealing
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._keys.by_name[name].encrypt(nonce, value, _bound(place))
        return _AES_GCM + bytes.fromhex(name) + nonce + sealed

    def is_present(self, stored: bytes) -> bool:
        """Whether `seal` would do the same now: under the sealing key, or in clear if there is none."""
        if self._keys is None:
            return stored[:1] == _CLEAR
        return stored.startswith(_AES_GCM + bytes.fromhex(self._keys.sealing))

    def open(self, stored: bytes, *place: str | int) -> bytes:
        """The value that was stored at `place`. Raises what `refusal` returns for any other."""
        if stored[:1] == _CLEAR:
            if not self.allows_clear:
                raise self.refusal("a stored value is in clear, which CONVERSATIONS_KEY_FILE does not allow")
            return stored[1:]
        if stored[:1] != _AES_GCM:
            raise self.refusal("a stored value has an unknown form")
        name = stored[1 : 1 + _NAME_BYTES].hex()
        key = self._keys.by_name.get(name) if self._keys is not None else None
        if key is None:
            raise self.refusal(
                f'CONVERSATIONS_KEY_FILE lacks the key "{name}", under which a stored value is encrypted'
            )
        sealed = stored[1 + _NAME_BYTES :]
        try:
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(place))
        except (InvalidTag, ValueError):
            raise self.refusal("a stored value was changed, or belongs to another place") from None

    def refusal(self, why: str) -> ConfigurationError:
        """The error for a stored value that is not used. The log has the first, `check` the last of ten
        minutes.
        """
        error = ConfigurationError(AgentCode.CONVERSATION_UNREADABLE, [why])
        if not self._is_refused_lately():
            _LOG.error("%s: %s", error.code, why)
        self._refused = self._monotonic(), error
        return error

    def check(self) -> None:
        """For readiness. Raises the last refusal, and an error while keys do not keep out values in clear."""
        if self._refused is not None and self._is_refused_lately():
            raise self._refused[1].with_traceback(None)
        if self._keys is not None and self.allows_clear:
            allowed = 'CONVERSATIONS_KEY_FILE has the line "clear": values in clear are accepted'
            raise ConfigurationError(AgentCode.CONVERSATIONS_CLEAR_ALLOWED, [allowed])

    def _is_refused_lately(self) -> bool:
        return self._refused is not None and self._monotonic() - self._refused[0] < _REMEMBERED_SECONDS


class KeyRegister:
    """The names of the keys of a database. A name is the beginning of the key's SHA-256, and no secret."""

    def __init__(self, encryption: Encryption) -> None:
        self._known = encryption.key_names
        self._allows_clear = encryption.allows_clear
        self.present: Final = self._known[0] if self._known else CLEAR
        """The key that seals now."""

    def enter(self) -> Transaction[None]:
        """Notes the key that seals now. Raises `ConfigurationError` if another one is needed and missing, or
        values are in clear and may not be.
        """
        former = yield from self.former()
        fault = ""
        if missing := [name for name in former if name not in (*self._known, CLEAR)]:
            names = ", ".join(f'"{name}"' for name in missing)
            fault = f"CONVERSATIONS_KEY_FILE lacks the key {names}, under which conversations are encrypted"
        elif CLEAR in former and not self._allows_clear:
            fault = 'CONVERSATIONS_KEY_FILE lacks the line "clear": conversations are in clear'
        if fault:
            raise ConfigurationError(AgentCode.CONVERSATIONS_KEY_MISSING, [fault])
        yield from query(
            "INSERT INTO encryption_keys (name) VALUES (?) ON CONFLICT (name) DO NOTHING", self.present
        )

    def former(self) -> Transaction[list[str]]:
        """The names of other keys, under which values may be stored."""
        rows = yield from query(
            "SELECT name FROM encryption_keys WHERE name <> ? ORDER BY name", self.present
        )
        return [name for [name] in rows]

    def remove(self, names: list[str]) -> Transaction[None]:
        """Notes that nothing is stored under the keys `names` any more."""
        for name in names:
            yield from query("DELETE FROM encryption_keys WHERE name = ?", name)


def _bound(place: tuple[str | int, ...]) -> bytes:
    return "\n".join(map(str, place)).encode()
