"""Under which keys something is stored: a missing key is an error at the first use, not in the middle."""

from typing import Final

from agent.conversations.database.database import Transaction, query
from agent.conversations.encryption.encryption import Encryption
from agent.errors.error_codes import AgentCode
from identity.errors import ConfigurationError

CLEAR: Final = "clear"
"""In place of a key's name: values in clear."""


class KeyRegister:
    """The names of the keys of a database. A name is the beginning of the key's SHA-256, and no secret."""

    def __init__(self, encryption: Encryption) -> None:
        self._known = encryption.key_names
        self._allows_clear = encryption.allows_clear
        self.present: Final = self._known[0] if self._known else CLEAR
        """What seals now."""

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
            raise ConfigurationError(AgentCode.CONVERSATIONS_UNAVAILABLE, [fault])
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
