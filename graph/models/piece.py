"""The pieces of a response that are passed on while it arrives."""

from math import inf
from typing import Any, Final, NamedTuple

_AT_ONCE: Final = 16_384


class Piece(NamedTuple):
    """Text and thinking that have arrived since the last piece."""

    text: str = ""
    thinking: str = ""


def thinking_kwargs(thinking: str) -> dict[str, Any]:
    """The `additional_kwargs` of a message of LangChain's with this thinking."""
    return {"reasoning_content": thinking} if thinking else {}


class JoinedPieces:
    """Joins pieces as the response grows: each is at least the share `1 / parts` of those before.

    A reader that adds each piece to what it has, and even one that keeps the sum each time, then works in
    proportion to the length of the response, not to its square. The first characters are passed on as they
    arrive.
    """

    def __init__(self, parts: int, *, at_once: int = _AT_ONCE, most: float = inf) -> None:
        """Text after `most` characters waits for the end."""
        self._parts = parts
        self._most = most - at_once
        self._passed = -at_once
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._waiting = 0

    def add(self, text: str, thinking: str) -> Piece | None:
        """The piece that is long enough to be passed on now, if there is one."""
        if text:
            self._text.append(text)
        if thinking:
            self._thinking.append(thinking)
        self._waiting += len(text) + len(thinking)
        if not self._waiting or self._waiting * self._parts < self._passed or self._passed > self._most:
            return None
        return self.rest()

    def rest(self) -> Piece | None:
        """The text that waits to be passed on."""
        if not self._waiting:
            return None
        piece = Piece("".join(self._text), "".join(self._thinking))
        self._passed += self._waiting
        self._text = []
        self._thinking = []
        self._waiting = 0
        return piece
