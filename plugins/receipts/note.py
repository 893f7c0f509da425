"""Signed notes and checkpoints, as transparency logs exchange them: C2SP's `signed-note` and
`tlog-checkpoint`, with Ed25519 (RFC 8032).

    agent.example.com/audit
    42
    b1bGdw…=

    — agent.example.com/audit x08go/ZJkuBS9UG…

Three lines of text (the name of the log, the number of its lines, the root of their tree), an empty line, and
a line for each signature. A public key is written `NAME+ID+KEY`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from plugins.receipts.merkle import HASH_BYTES

_ED25519: Final = b"\1"
_ID_BYTES: Final = 4
_KEY_BYTES: Final = 32
_NAME: Final = re.compile(r"[^\s+]+")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,17}")


class SigningKey(Protocol):
    """Signs, in this process or elsewhere."""

    @property
    def public(self) -> bytes:
        """The public key: 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """The signature: 64 bytes. Raises `ValueError`, without a key, if there is none."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies, and the name of its log."""

    name: str
    key: bytes

    @property
    def id(self) -> bytes:
        """Four bytes by which a signature names its key."""
        return hashlib.sha256(f"{self.name}\n".encode() + _ED25519 + self.key).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_text(_ED25519 + self.key)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key of `NAME+ID+KEY`. Raises `ValueError`."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        try:
            kind, key = _bytes(encoded)[:1], cls(name, _bytes(encoded)[1:])
        except ValueError:
            kind, key = b"", cls(name, b"")
        if not is_name(name) or kind != _ED25519 or len(key.key) != _KEY_BYTES or key_id != key.id.hex():
            raise ValueError("a public key is written NAME+ID+KEY, for Ed25519, and this is none")
        return key

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether `signature` is this key's signature of `text`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


def is_name(text: str) -> bool:
    """Whether `text` may name a log: without spaces and `+`."""
    return _NAME.fullmatch(text) is not None


def signed_note(text: str, name: str, keys: Sequence[SigningKey]) -> str:
    """`text`, whose last line has its end, with a signature of each of `keys`.

    Raises `ValueError` if a key cannot sign, or a signature is not by the public key that it is said to be.
    """
    lines = []
    for key in keys:
        public = PublicKey(name, key.public)
        signature = key.sign(text.encode())
        if not public.has_signed(text, signature):
            raise ValueError("a signature is not by the public key of its signing key")
        lines.append(f"— {name} {_text(public.id + signature)}\n")
    return f"{text}\n{''.join(lines)}"


def verified_text(note: str, key: PublicKey) -> str:
    """The text of a note that `key` has signed. Raises `ValueError` for every other note."""
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    if not separator:
        raise ValueError("a signed note has an empty line before its signatures")
    for name, signature in _signatures(signatures):
        if (name, signature[:_ID_BYTES]) == (key.name, key.id):
            if key.has_signed(text, signature[_ID_BYTES:]):
                return text
            raise ValueError(f"the signature of {key.name} is wrong")
    raise ValueError(f"it is not signed by the key {key.name}+{key.id.hex()}")


def _signatures(lines: str) -> Iterator[tuple[str, bytes]]:
    for line in lines.splitlines():
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "—" or not name:
            raise ValueError("a line of a signature begins with — and a name")
        yield name, _bytes(encoded)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a log: its name, the number of its lines, and the root of their tree."""

    name: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.name}\n{self.size}\n{_text(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `text`; further lines may follow. Raises `ValueError`."""
        name, size, root, *_ = [*text.split("\n"), "", ""]
        if not is_name(name) or not _SIZE.fullmatch(size) or len(_bytes(root)) != HASH_BYTES:
            raise ValueError("a checkpoint has a name, a size and a root")
        return cls(name, int(size), _bytes(root))


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a value must be base64") from None
