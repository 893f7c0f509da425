"""The files of a run. Messages refer to them: no bytes are in its state, its checkpoints or its events."""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.runtime import Runtime

from graph.context import AgentContext, context_of

DATA: Final = "data"
"""The member with the bytes in a part that a surface has just read. `detached` removes it."""
_OLDER: Final = "attached by the user, and not shown any more"


@dataclass(frozen=True, slots=True)
class RunFiles:
    """Beside the context of a run: how it reads and keeps files."""

    read: Callable[[Sequence[str]], Awaitable[Mapping[str, bytes]]] = field(repr=False)
    """Reads files by the ids in messages of the run, those that there are."""
    keep: Callable[[bytes], Awaitable[str | None]] | None = field(default=None, repr=False)
    """Keeps a file of a tool for the user, and returns its id; `None` if it cannot. `None`: none is kept."""


def files_of(runtime: Runtime[AgentContext]) -> RunFiles | None:
    """The files of a run; `None`: it has none, and keeps none."""
    return context_of(runtime).extensions.get(RunFiles)


def file_parts(message: AnyMessage) -> list[dict[str, Any]]:
    """The references to files in a message of a person."""
    if not isinstance(message, HumanMessage) or not isinstance(message.content, list):
        return []
    return [part for part in message.content if isinstance(part, dict) and _is_file(part)]


def detached(messages: Sequence[AnyMessage]) -> tuple[list[AnyMessage], dict[str, bytes]]:
    """`messages` as a surface has read them, without the bytes of their files, which are by their ids."""
    files = {part["id"]: part[DATA] for part in _parts_of(messages) if DATA in part}
    return [_changed(message, _without_data) for message in messages], files


async def with_images(
    messages: Sequence[AnyMessage], runtime: Runtime[AgentContext], most: int
) -> tuple[list[AnyMessage], tuple[str, ...]]:
    """`messages` as a model receives them: the newest `most` images themselves, as `image_url` with a `data:`
    URL, the others described. And the digests of these images.
    """
    ids = [part["id"] for part in _parts_of(messages)]
    newest = ids[max(0, len(ids) - most) :]
    files = files_of(runtime)
    stored: Mapping[str, bytes] = {}
    if files is not None and newest:
        stored = await files.read(newest)
    images = {identifier: stored[identifier] for identifier in newest if identifier in stored}

    def block(part: dict[str, Any]) -> dict[str, Any]:
        data = images.get(part["id"])
        if data is None:
            return {"type": "text", "text": description(part, _OLDER)}
        url = f"data:{part['media_type']};base64,{base64.b64encode(data).decode()}"
        return {"type": "image_url", "image_url": {"url": url}}

    return [_changed(message, block) for message in messages], tuple(map(digest, images.values()))


def description(part: Mapping[str, Any], remark: str) -> str:
    """The text that the model reads in place of a file."""
    return f'[file "{part["name"]}", {part["media_type"]}, {part["bytes"]} bytes: {remark}]'


def digest(data: bytes) -> str:
    """A file as the audit log names it: its SHA-256, and its size in bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()} {len(data)}"


def _parts_of(messages: Sequence[AnyMessage]) -> list[dict[str, Any]]:
    return list(chain.from_iterable(map(file_parts, messages)))


def _without_data(part: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != DATA}


def _is_file(part: Mapping[str, Any]) -> bool:
    return part.get("type") == "file" and {"id", "name", "media_type", "bytes"} <= part.keys()


def _changed(message: AnyMessage, of_file: Callable[[dict[str, Any]], dict[str, Any]]) -> AnyMessage:
    if not file_parts(message):
        return message
    parts = list(message.content)
    for position, part in enumerate(parts):
        if isinstance(part, dict) and _is_file(part):
            parts[position] = of_file(part)
    return message.model_copy(update={"content": parts})
