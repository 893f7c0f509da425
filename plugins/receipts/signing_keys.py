"""The keys that sign checkpoints: in a file, or elsewhere, reached by a command.

During a rotation there are two, and each checkpoint has a signature of both: a reader who has either public
key accepts it.
"""

import base64
import binascii
import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from identity.secrets.secret_file import read_bounded_text
from plugins.receipts.note import SigningKey

_MAX_BYTES: Final = 65_536
_MOST: Final = 2
_PEM: Final = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)
_COMMAND_SECONDS: Final = 30


@dataclass(frozen=True, slots=True, repr=False)
class FileKey:
    """A private key in the memory of this process."""

    _key: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """See `SigningKey`."""
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """See `SigningKey`."""
        return self._key.sign(message)


@dataclass(frozen=True, slots=True)
class CommandKey:
    """A key that never leaves a KMS or an HSM. `command` reads the message from standard input, and prints
    the signature in base64. It is run without a shell.
    """

    command: Sequence[str]
    public: bytes

    @classmethod
    def of(cls, command: str, public_key_file: Path) -> Self:
        """With the public key of a PEM file. Raises `ValueError`."""
        try:
            key = load_pem_public_key(read_bounded_text(public_key_file, _MAX_BYTES).encode())
        except ValueError as error:
            raise ValueError(f'"{public_key_file}": no public key in PEM: {error}') from None
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError(f'"{public_key_file}" must have a public key of Ed25519')  # noqa: TRY004 - of its content
        return cls(shlex.split(command), key.public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """See `SigningKey`. What the command prints elsewhere is not shown: it may have a secret."""
        try:
            done = subprocess.run(  # noqa: S603 - the operator's command
                self.command, input=message, capture_output=True, timeout=_COMMAND_SECONDS, check=True
            )
            return base64.b64decode(done.stdout.strip(), validate=True)
        except OSError as error:
            raise ValueError(f"the command that signs cannot be run: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise ValueError(f"the command that signs took longer than {_COMMAND_SECONDS} s") from None
        except subprocess.CalledProcessError as error:
            raise ValueError(f"the command that signs ended with status {error.returncode}") from None
        except binascii.Error:
            raise ValueError("the command that signs must print a signature in base64") from None


def file_keys(path: Path) -> list[SigningKey]:
    """The private keys of a PEM file, one or two. Raises `ValueError`, without a key."""
    try:
        blocks = _PEM.findall(read_bounded_text(path, _MAX_BYTES))
        keys = [load_pem_private_key(block.encode(), None) for block in blocks]
    except (ValueError, TypeError):
        keys = []
    private = [key for key in keys if isinstance(key, Ed25519PrivateKey)]
    if not 1 <= len(keys) <= _MOST or len(private) != len(keys):
        raise ValueError(f'"{path}" must be a readable file with one or two private keys of Ed25519 in PEM')
    return [FileKey(key) for key in private]
