"""A conversation as it is stored, and what identifies it."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from langchain_core.messages import AnyMessage, HumanMessage

from agent.errors.error_codes import AgentCode
from identity.errors import ThreadBusyError, ThreadNotFoundError
from identity.principal import Principal
from identity.printable import printable

ThreadStatus: TypeAlias = Literal["idle", "running", "paused", "interrupted", "failed"]
"""The state of the last run: it ended, runs, waits for a person, was cut off, or failed."""

_THREAD_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_TITLE: Final = 200
"""Characters of a title that a person gives."""
_MAX_QUESTION: Final = 60
_MAX_READ: Final = 1_000
"""Characters that are looked at: the rest cannot be part of a title."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A conversation. Times are unix seconds. `run_id` is its latest run, which `status` is about; `change`
    is the number of the latest change by a run.
    """

    id: str
    title: str | None
    created_at: float
    updated_at: float
    status: ThreadStatus
    run_id: str | None
    change: int = 0


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message of a thread. `seq` counts from 1 and grows; `run_id` is the run that added it. `versions` are
    the positions of all versions of a question, its own among them; empty if there is one.
    """

    seq: int
    created_at: float
    run_id: str
    message: AnyMessage
    versions: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class StoredJson:
    """A message as it is stored: an object of JSON (`agent.conversations.message_json`). One that was
    `replaced` is not part of the conversation.
    """

    seq: int
    created_at: float
    run_id: str
    json: bytes
    replaced: bool


class MessageStoredError(ThreadBusyError):
    """Messages that a run was to begin with are in the thread already: their client has sent them again."""

    def __init__(self, runs: Mapping[str, str]) -> None:
        """`runs` are the runs that began with them, by the ids of the messages."""
        super().__init__(AgentCode.THREAD_BUSY, f"{len(runs)} messages are in the thread already")
        self.runs = runs


def owner_digest(principal: Principal) -> str:
    """The name under which a principal's conversations are stored: SHA-256, so that it is no clear text."""
    return hashlib.sha256(f"{principal.issuer}\0{principal.subject}".encode()).hexdigest()


def is_thread_id(text: str) -> bool:
    """Whether `text` may be the identifier of a thread: 1 to 64 letters, digits, `_` and `-` of ASCII."""
    return _THREAD_ID.fullmatch(text) is not None


def valid_id(thread_id: str) -> str:
    """`thread_id`. Raises `ValueError` unless it may be the identifier of a thread."""
    if not is_thread_id(thread_id):
        raise ValueError("a thread's identifier has 1 to 64 letters, digits, - and _")
    return thread_id


def not_found() -> ThreadNotFoundError:
    """The error for a thread that does not exist, or is another principal's: they cannot be distinguished."""
    return ThreadNotFoundError(AgentCode.THREAD_NOT_FOUND, "the caller has no such thread")


def first_question(messages: Iterable[AnyMessage]) -> str | None:
    """A title of at most 60 characters, or `None` if no person has written anything yet."""
    for message in messages:
        if isinstance(message, HumanMessage) and (text := one_line(str(message.text))):
            return _shortened(text)
    return None


def one_line(text: str) -> str:
    """`text` on one line, printable, and without white space at its ends."""
    with_spaces = "".join(map(_or_space, text[:_MAX_READ]))
    return " ".join(printable(with_spaces).split())


def _or_space(character: str) -> str:
    """A space in place of what separates lines or controls a terminal."""
    return " " if unicodedata.category(character) in ("Cc", "Zl", "Zp") else character


def _shortened(text: str) -> str:
    if len(text) <= _MAX_QUESTION:
        return text
    beginning = text[: _MAX_QUESTION - 1]
    words, space, _ = beginning.rpartition(" ")
    # Chinese has no spaces, and one near the beginning would leave too little.
    if space and len(words) > _MAX_QUESTION // 2:
        return f"{words}…"
    return f"{beginning}…"
