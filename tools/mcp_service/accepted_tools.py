"""The tools of MCP servers that are accepted: a file of digests.

    {"maps": {"url": "https://maps.example.com/mcp",
              "tools": {"weather": {"description": "9f86…", "parameters": "4e07…"}}}}

A server's first list is accepted as it is, and written. What differs from it later is withheld until an
operator accepts it: a server that is taken over, or sold, otherwise decides what the model reads and calls.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from identity.secrets.secret_file import read_bounded_file

logger = logging.getLogger(__name__)

_MAX_BYTES: Final = 16 * 1024 * 1024


class AcceptedToolsError(Exception):
    """The file cannot be used. Its text names the file and the reason, and nothing of the content."""


@dataclass(frozen=True, slots=True)
class ToolDigest:
    """SHA-256 of a tool's description and of its parameters, as the server lists them, in hexadecimal."""

    description: str
    parameters: str

    @classmethod
    def of(cls, description: str, parameters: Mapping[str, Any]) -> "ToolDigest":
        """The order of members does not matter."""
        return cls(_sha256(description), _sha256(json.dumps(parameters, sort_keys=True)))

    def difference(self, accepted: "ToolDigest | None") -> str:
        """Why the tool is not what was accepted: a sentence about it; empty if it is."""
        if accepted is None:
            return "it is new"
        parts = "description", "parameters"
        changed = [part for part in parts if getattr(self, part) != getattr(accepted, part)]
        return f"it has changed its {' and '.join(changed)}" if changed else ""


@dataclass(frozen=True, slots=True)
class _Accepted:
    url: str
    tools: dict[str, ToolDigest]


_FILE: Final = TypeAdapter(dict[str, _Accepted])


class AcceptedTools:
    """The file `path`, for all servers, which is read at each use.

    Of a server under another URL than the file has, nothing is accepted: the operator has changed it. With
    `writes`, first lists are accepted and written, under a lock that all processes of a machine share. If the
    file cannot be written, they are kept in memory, so that they are accepted for this process only, which is
    logged. Without, nothing is accepted but by `accept`. Everybody may read the file: a digest is no secret.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path: Final = path
        self._writes = writes
        self._in_memory: dict[str, _Accepted] = {}
        self._lock = asyncio.Lock()

    def of(self, service: str, url: str) -> Mapping[str, ToolDigest]:
        """The accepted tools. Raises `AcceptedToolsError`."""
        digests: dict[str, ToolDigest] = {}
        for services in (self._in_memory, self._read()):
            accepted = services.get(service)
            if accepted and accepted.url == url:
                digests |= accepted.tools
        return digests

    async def with_first(
        self, service: str, url: str, listed: Mapping[str, ToolDigest], named: Collection[str] = ()
    ) -> Mapping[str, ToolDigest]:
        """The accepted tools, after a first list was accepted.

        A tool that the operator has `named` is accepted when it is listed for the first time, also later.
        Raises `AcceptedToolsError`.
        """
        accepted = self.of(service, url)
        if self._writes and _first(listed, accepted, named):
            async with self._lock:
                accepted = await asyncio.to_thread(self._accept_first, service, url, listed, named)
        return accepted

    def accept(self, service: str, url: str, tools: Mapping[str, ToolDigest]) -> None:
        """Accepts `tools`, as an operator has decided. Raises `AcceptedToolsError` if they cannot be kept."""
        try:
            with self._locked():
                self._write(service, url, {**self.of(service, url), **tools})
        except OSError as error:
            raise self._error("written", error) from None

    def _accept_first(
        self, service: str, url: str, listed: Mapping[str, ToolDigest], named: Collection[str]
    ) -> Mapping[str, ToolDigest]:
        """The tools that are accepted then. Another process may have accepted its list before."""
        try:
            with self._locked():
                accepted = self.of(service, url)
                if first := _first(listed, accepted, named):
                    self._write(service, url, {**accepted, **first})
        except OSError as error:
            text = 'the tools of "%s" are accepted for this process only, because %s'
            logger.warning(text, service, self._error("written", error))
            accepted = self.of(service, url)
            self._in_memory[service] = _Accepted(url, {**accepted, **_first(listed, accepted, named)})
        return self.of(service, url)

    def _read(self) -> dict[str, _Accepted]:
        try:
            self.path.stat()
            return _FILE.validate_json(read_bounded_file(self.path, _MAX_BYTES))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._error("read", error) from None
        except ValidationError:
            raise AcceptedToolsError(f"{self.path} is not a file of accepted tools") from None
        except ValueError as error:
            raise AcceptedToolsError(f"{self.path} {error}") from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The lock is on the folder, because the file is replaced."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write(self, service: str, url: str, tools: Mapping[str, ToolDigest]) -> None:
        """Replaces the file by one with `tools`."""
        accepted = {**self._read(), service: _Accepted(url, dict(sorted(tools.items())))}
        new = self.path.with_name(f"{self.path.name}.new")
        with new.open("wb") as file:
            file.write(_FILE.dump_json(dict(sorted(accepted.items())), indent=2) + b"\n")
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        new.replace(self.path)

    def _error(self, verb: str, error: OSError) -> AcceptedToolsError:
        reason = (error.strerror or "it failed").lower()
        return AcceptedToolsError(f"{self.path} cannot be {verb}: {reason}")


def _first(
    listed: Mapping[str, ToolDigest], accepted: Mapping[str, ToolDigest], named: Collection[str]
) -> dict[str, ToolDigest]:
    """The tools that are accepted without an operator: all of the first list, and later those they have
    `named`.
    """
    if not accepted:
        return dict(listed)
    return {name: digest for name, digest in listed.items() if name in named and name not in accepted}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
