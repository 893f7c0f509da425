"""A signed log: the folder that has the tree of an audit log's lines, and the latest checkpoint.

| file | content |
|---|---|
| `leaves` | the hash of each line, 32 bytes each, in the order in which the lines were signed |
| `state.json` | the latest checkpoint, its tree, and how far each file and each chain were read |
| `checkpoint`, `keys` | for others to read: the latest checkpoint, and all public keys that have signed |

`state.json` is replaced as a whole and decides: leaves beyond its size are of a process that was killed
before it signed them. They are dropped, and their lines read again.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from agent.settings.settings import Settings
from identity.settings.variables import STANDARD_OUTPUT
from plugins.receipts.merkle import HASH_BYTES, Tree
from plugins.receipts.note import Checkpoint, PublicKey, SigningKey, signed_note
from plugins.receipts.variables import ReceiptVariables

_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644


@dataclass(frozen=True, slots=True)
class Chain:
    """The latest signed line of one process: its number, and its hash in the audit log."""

    seq: int
    hash: str | None


@dataclass(frozen=True, slots=True)
class SignedState:
    """The part that is signed, and where the next line is. `files` are the offsets in files, each known by
    the hash of its first line, whatever its name is now. `refused`: how many lines were read, and not signed.
    """

    checkpoint: str = ""
    tree: Tree = field(default_factory=Tree)
    files: Mapping[str, int] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)
    refused: int = 0

    def to_json(self) -> str:
        """The content of `state.json`."""
        parts = [part.hex() for part in self.tree.parts]
        chains = {process: asdict(chain) for process, chain in self.chains.items()}
        members = {
            "checkpoint": self.checkpoint,
            "size": self.tree.size,
            "parts": parts,
            "files": dict(self.files),
            "chains": chains,
            "refused": self.refused,
        }
        return json.dumps(members)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse. Raises `ValueError` for anything else."""
        try:
            members = json.loads(text)
            tree = Tree(int(members["size"]), tuple(map(bytes.fromhex, members["parts"])))
            chains = {process: Chain(**chain) for process, chain in members["chains"].items()}
            files = {str(name): int(offset) for name, offset in members["files"].items()}
            return cls(str(members["checkpoint"]), tree, files, chains, int(members.get("refused", 0)))
        except (KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("it does not have the expected form") from None


@dataclass(frozen=True, slots=True)
class SignedLog:
    """The log `name` in a folder. One process at a time writes to it."""

    folder: Path
    name: str

    @contextmanager
    def locked(self) -> Iterator[None]:
        """For the process that signs. Creates the folder. Raises `BlockingIOError` while another signs."""
        self.folder.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)

    def state(self) -> SignedState:
        """The part that is signed now; at first nothing. Raises `ValueError` for another file."""
        path = self.folder / "state.json"
        try:
            return SignedState.from_json(path.read_text("utf-8"))
        except FileNotFoundError:
            return SignedState()
        except ValueError as error:
            raise ValueError(f'"{path}": {error}') from None

    def leaves(self, size: int) -> list[bytes]:
        """The first `size` leaves. Raises `ValueError` if there are fewer."""
        path = self.folder / "leaves"
        content = path.read_bytes() if size else b""
        if len(content) < size * HASH_BYTES:
            raise ValueError(f'"{path}" has fewer leaves than the checkpoint')
        return [content[place : place + HASH_BYTES] for place in range(0, size * HASH_BYTES, HASH_BYTES)]

    def sign(self, state: SignedState, leaves: Sequence[bytes], keys: Sequence[SigningKey]) -> SignedState:
        """Adds `leaves` to the tree of `state`, the latest one with what was read since, and signs it.

        All of it is on disk when this returns. If it raises, or the process is killed, nothing has changed.
        Raises `ValueError` if a key cannot sign, or the folder is of another log, and `OSError`.
        """
        if state.checkpoint and (name := Checkpoint.parse(state.checkpoint).name) != self.name:
            raise ValueError(f'"{self.folder}" has the log "{name}", not "{self.name}"')
        tree = state.tree.with_leaves(leaves)
        publics = [str(PublicKey(self.name, key.public)) for key in keys]
        checkpoint = state.checkpoint
        if leaves or not {*publics} <= {*self.keys()}:
            self._append(leaves, state.tree.size)
            checkpoint = signed_note(Checkpoint(self.name, tree.size, tree.root).text, self.name, keys)
            self._publish("keys", [*dict.fromkeys([*self.keys(), *publics])])
        new = replace(state, checkpoint=checkpoint, tree=tree)
        _replace(self.folder / "state.json", new.to_json(), _MODE)
        self._publish("checkpoint", [checkpoint.removesuffix("\n")])
        return new

    def keys(self) -> list[str]:
        """All public keys that have signed here, the earliest first."""
        try:
            return (self.folder / "keys").read_text("utf-8").split()
        except FileNotFoundError:
            return []

    def _append(self, leaves: Sequence[bytes], size: int) -> None:
        """Writes the leaves after the first `size`, in place of what a killed process has left there."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.folder / "leaves", flags, _MODE)
        with os.fdopen(descriptor, "ab") as file:
            file.truncate(size * HASH_BYTES)
            file.write(b"".join(leaves))
            file.flush()
            os.fsync(file.fileno())

    def _publish(self, name: str, lines: Sequence[str]) -> None:
        _replace(self.folder / name, "".join(f"{line}\n" for line in lines), _PUBLIC_MODE)


def signed_folder(settings: Settings) -> Path | None:
    """The folder of the signed log that the settings name; `None` if they name none."""
    folder = settings.of(ReceiptVariables).audit_signing_folder
    file = settings.audit_log_file
    if folder is None and file is not None and file != STANDARD_OUTPUT:
        return folder_beside(file)
    return folder


def folder_beside(file: Path) -> Path:
    """The folder of what is signed of a file, where none is named."""
    return file.with_name(f"{file.name}.signed")


def _replace(path: Path, text: str, mode: int) -> None:
    """Replaces a file as a whole, on disk."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
