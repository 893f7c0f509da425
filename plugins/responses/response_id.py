"""The ids of responses and of their items. Each names its conversation and its run, so that it is looked up
there, among those of the caller, and nowhere else.
"""

import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import Final

from agent.conversations.thread import is_thread_id

_RESPONSE: Final = re.compile(r"resp_([0-9a-f]{32})(?:\.([0-9a-f]{32}))?_(.+)")
_ITEM: Final = re.compile(r"(?:msg|rs|mcp|mcpr)_([0-9a-f]{1,32})(?:\.\d{1,6})?_([0-9a-f]{32})_(.+)")
_APPROVAL: Final = re.compile(r"[0-9a-f]{32}")
_NAME: Final = 16
"""Characters of the digest that names an item within its run."""


@dataclass(frozen=True, slots=True)
class ResponseId:
    """`resp_RUN_THREAD`; after an approval, which its run waited for, `resp_RUN.APPROVAL_THREAD`."""

    run_id: str
    thread_id: str
    approval_id: str | None = None

    def __str__(self) -> str:
        after = "" if self.approval_id is None else f".{self.approval_id}"
        return f"resp_{self.run_id}{after}_{self.thread_id}"

    @classmethod
    def read(cls, text: str) -> "ResponseId | None":
        """`None` for a text that is no id of a stored response."""
        match = _RESPONSE.fullmatch(text)
        if match is None or not is_thread_id(match[3]):
            return None
        return cls(match[1], match[3], match[2])

    @classmethod
    def of_item(cls, item_id: str) -> "ResponseId | None":
        """The run of an item; `None` for a text that is no id of a stored item."""
        match = _ITEM.fullmatch(item_id)
        if match is None or not is_thread_id(match[3]):
            return None
        return cls(match[2], match[3])


class ItemIds:
    """The ids of the items of one response: those of a stored one are the same in its stream and later."""

    def __init__(self, response: ResponseId | None) -> None:
        """`None`: a response that is not stored."""
        self._response = response
        self._used: set[str] = set()

    def next(self, kind: str, name: str | None) -> str:
        """The id of an item that `name` distinguishes from others of its kind; `None`: nothing does."""
        digest = uuid.uuid4().hex if name is None else hashlib.sha256(name.encode()).hexdigest()
        return self._unused(kind, digest[:_NAME])

    def of_approval(self, approval_id: str) -> str:
        """The id of a question to the user."""
        return self._id("mcpr", approval_id)

    def _unused(self, kind: str, name: str) -> str:
        item_id = self._id(kind, name)
        number = 2
        while item_id in self._used:
            item_id = self._id(kind, f"{name}.{number}")
            number += 1
        self._used.add(item_id)
        return item_id

    def _id(self, kind: str, name: str) -> str:
        if self._response is None:
            return f"{kind}_{name}"
        return f"{kind}_{name}_{self._response.run_id}_{self._response.thread_id}"


def approval_id_of(text: str) -> str | None:
    """The approval that an item asks for, or the one whose id this is; `None` for any other text."""
    if _APPROVAL.fullmatch(text) is not None:
        return text
    match = _ITEM.fullmatch(text)
    return match[1] if match is not None and text.startswith("mcpr_") else None
