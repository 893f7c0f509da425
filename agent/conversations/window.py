"""The window: the newest messages of a conversation that a model receives, by their tokens."""

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

_MESSAGE_TOKENS = 4
"""For the role of a message, and what separates it from the next."""


def tokens_of(message: AnyMessage) -> int:
    """An estimate: four bytes of UTF-8 a token, which is a little too much in English and in Chinese.

    Reasoning is not counted, because it is not sent again.
    """
    text = message.content if isinstance(message.content, str) else str(message.content)
    if isinstance(message, AIMessage) and message.tool_calls:
        text += "".join(f"{call['name']}{call['args']}" for call in message.tool_calls)
    return _MESSAGE_TOKENS + (len(text.encode(errors="replace")) + 3) // 4


class Window:
    """Receives messages from the newest to the oldest, and keeps whole turns within `tokens`.

    A turn is a message of a person with what follows it, so that no call is separated from its results. Of
    the first turn that does not fit, the question and the answer are kept without the calls, if they fit.
    """

    def __init__(self, tokens: int) -> None:
        self._left = tokens
        self._kept: list[AnyMessage] = []
        self._turn: list[tuple[AnyMessage, int]] = []
        self._needed = 0
        """Of the turn, also of messages that are not in `_turn` because the turn does not fit."""

    def add(self, message: AnyMessage, tokens: int) -> bool:
        """Whether an older message may still fit. `tokens` is what `tokens_of` returned for `message`."""
        self._turn.append((message, tokens))
        self._needed += tokens
        if self._needed > self._left:
            self._turn = [*filter(_is_answer, self._turn[:-1])][:1] + self._turn[-1:]
        if not isinstance(message, HumanMessage):
            return True
        whole = self._needed <= self._left
        if sum(tokens for _, tokens in self._turn) <= self._left and (whole or len(self._turn) > 1):
            self._left -= self._needed
            self._kept += [message for message, _ in self._turn]
        self._turn, self._needed = [], 0
        return whole and self._left > 0

    def messages(self) -> list[AnyMessage]:
        """The window, the oldest message first: a person's."""
        return self._kept[::-1]


def _is_answer(entry: tuple[AnyMessage, int]) -> bool:
    message, _ = entry
    return isinstance(message, AIMessage) and not message.tool_calls and bool(message.text)
