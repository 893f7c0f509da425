"""A file that a person attaches, or that a tool returns: a name, and bytes of which nothing is decoded."""

from pathlib import PurePath
from typing import Any, Final

from identity.printable import printable

UNKNOWN: Final = "application/octet-stream"
_MAX_NAME: Final = 100
_STARTS: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"RIFF....WEBP": "image/webp",
}
IMAGE_TYPES: Final = tuple(dict.fromkeys(_STARTS.values()))


def media_type(data: bytes) -> str:
    """PNG, JPEG, GIF or WebP, by the first bytes; `UNKNOWN` for all else."""
    start = data[:4] + b"...." + data[8:12] if data.startswith(b"RIFF") else data[:12]
    return next((kind for magic, kind in _STARTS.items() if start.startswith(magic)), UNKNOWN)


def file_part(identifier: str, name: str, data: bytes) -> dict[str, Any]:
    """The reference to a file in a message: `{"type": "file", "id", "name", "media_type", "bytes"}`."""
    last = PurePath(name.replace("\\", "/")).name
    name = printable(last[:_MAX_NAME]).replace("\\", "_")[:_MAX_NAME] or "file"
    described = {"name": name, "media_type": media_type(data), "bytes": len(data)}
    return {"type": "file", "id": identifier, **described}
