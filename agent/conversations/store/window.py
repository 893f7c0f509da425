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

    def add(self, message: AnyMessage, tokens: int) -> bool:
        """Whether an older message may still fit. `tokens` is what `tokens_of` returned for `message`."""
        self._turn.append((message, tokens))
        if not isinstance(message, HumanMessage):
            return True
        turn, self._turn = self._turn, []
        if self._fits(turn):
            return self._left > 0
        for answer, needed in turn:
            if isinstance(answer, AIMessage) and not answer.tool_calls and answer.text:
                self._fits([(answer, needed), turn[-1]])
                break
        return False

    def messages(self) -> list[AnyMessage]:
        """The window, the oldest message first: a person's."""
        return self._kept[::-1]

    def _fits(self, turn: list[tuple[AnyMessage, int]]) -> bool:
        needed = sum(tokens for _, tokens in turn)
        if needed > self._left:
            return False
        self._left -= needed
        self._kept += [message for message, _ in turn]
        return True
