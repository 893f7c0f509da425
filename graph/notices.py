"""What a person should know beside the answer of their run: code beneath the model's node says it, such as a
budget, and every surface shows it.

    if is_heard():
        tell("budget_near", "You have used 80 % of …", percent=80)

It is no part of the answer: no model reads it, and no conversation keeps it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from graph.events import Notice
from identity.printable import cut
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret

MAX_TEXT: Final = 500
"""The most characters of the text, and of a value."""
MAX_VALUES: Final = 16
MAX_NOTICES: Final = 16
"""The most notices of one response. Later ones are dropped."""
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HEARD: Final[ContextVar[list[Notice] | None]] = ContextVar("idaas_agent.notices", default=None)


def is_heard() -> bool:
    """Whether what is told now reaches the person, unless the response fails or its process ends before.

    Not checked: that LangGraph's writer has a reader. In an application whose caller does not read the stream
    mode `custom`, as with `ainvoke`, a notice is lost: it is not told again at the next turn.
    """
    return _HEARD.get() is not None


def tell(code: str, text: str, **values: str | int) -> None:
    """Shows `text`, in English, to the caller of the run whose response is being requested; elsewhere it does
    nothing. A surface that speaks their language has a text of its own for `code`, with `values`.

    The text and each value are cut after `MAX_TEXT` characters, and the secrets of the run are redacted.
    Raises `ValueError` for a code that is not of 1 to 64 lower-case letters, digits and `_`, and for more
    than `MAX_VALUES` values.
    """
    if not _CODE.fullmatch(code):
        raise ValueError("the code of a notice has 1 to 64 lower-case letters, digits and _")
    if len(values) > MAX_VALUES:
        raise ValueError(f"a notice has at most {MAX_VALUES} values")
    heard = _HEARD.get()
    if heard is not None and len(heard) < MAX_NOTICES:
        heard.append(Notice(type="notice", code=code, text=text, values=dict(values)))


@contextmanager
def notices_to(
    write: Callable[[Notice], None] | None, secrets: Callable[[], Iterable[Secret]]
) -> Iterator[None]:
    """Writes what is told in the block, once it has ended without an error; to the block around it, if there
    is one. `None`: nobody hears it.
    """
    if write is None or is_heard():
        yield
        return
    heard: list[Notice] = []
    before = _HEARD.set(heard)
    try:
        yield
    finally:
        _HEARD.reset(before)
    if heard:
        hidden = list(secrets())
        for notice in heard:
            write(_shown(notice, hidden))


@contextmanager
def unheard() -> Iterator[None]:
    """In the block nobody hears what is told, such as of a response that has failed."""
    before = _HEARD.set(None)
    try:
        yield
    finally:
        _HEARD.reset(before)


def _shown(notice: Notice, hidden: Sequence[Secret]) -> Notice:
    """A text is redacted before it is cut: a part of a secret is not found."""
    values = {
        name: cut(redact(value, hidden), MAX_TEXT) if isinstance(value, str) else value
        for name, value in notice["values"].items()
    }
    text = cut(redact(notice["text"], hidden), MAX_TEXT)
    return Notice(type="notice", code=notice["code"], text=text, values=values)
