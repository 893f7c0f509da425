"""The serializer of checkpoints: a closed list of types, encrypted if there is a key.

LangGraph's serializer writes MessagePack. Reading imports nothing but the types of LangGraph's own list
(messages, interrupts, dates and the like), and no pickle, whatever is in the database.
"""

from typing import Any, Final

from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from agent.conversations.encryption.encryption import Encryption, unreadable

_FORMS: Final = frozenset({"msgpack", "null", "bytes"})
_CIPHER: Final = "aes-gcm"
_PLACE: Final = "checkpoint"


def checkpoint_serializer(encryption: Encryption) -> SerializerProtocol:
    """The serializer of the savers."""
    strict = StrictSerializer()
    return SealedSerializer(_Cipher(encryption), strict) if encryption.key_names else strict


class StrictSerializer(JsonPlusSerializer):
    """LangGraph's serializer with its strictest settings; an object of another type is read as plain data."""

    def __init__(self) -> None:
        super().__init__(pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=None)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:  # noqa: ANN401 - the base's signature
        """The value. Raises `ConfigurationError` for another form, such as pickle or constructors in JSON."""
        if data[0] not in _FORMS:
            raise unreadable("a stored checkpoint has an unknown form")
        return super().loads_typed(data)


class SealedSerializer(EncryptedSerializer):
    """LangGraph's encrypted serializer. A value in clear is refused: it may have been put there."""

    def loads_typed(self, data: tuple[str, bytes]) -> Any:  # noqa: ANN401 - the base's signature
        """The value. Raises `ConfigurationError` for one in clear, or under an unknown key."""
        if not data[0].endswith(f"+{_CIPHER}"):
            raise unreadable("a stored checkpoint is not encrypted by this agent")
        return super().loads_typed(data)


class _Cipher:
    """`Encryption` as LangGraph's `CipherProtocol`."""

    def __init__(self, encryption: Encryption) -> None:
        self._encryption = encryption

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return _CIPHER, self._encryption.seal(plaintext, _PLACE)

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:  # noqa: ARG002 - checked before
        return self._encryption.open(ciphertext, _PLACE)
