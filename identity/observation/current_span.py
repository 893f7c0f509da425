"""The span of the work that is going on in this context."""

from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final

from identity.observation.error_type import error_type
from identity.observation.span import NO_SPAN, Span, SpanKind

CURRENT_SPAN: Final[ContextVar[Span]] = ContextVar("idaas_agent.span", default=NO_SPAN)
"""A task that starts in an empty context must be given it again (`identity.observation.carried_context`)."""


class started_span:  # noqa: N801 - used as a function
    """A context manager: a span within the current one, which is the current one in the block.

    Its name is `operation`, and `subject` after it. An exception that leaves the block fails it, by its code
    alone. Without a sampled trace it costs a look-up.
    """

    __slots__ = ("_kind", "_operation", "_span", "_subject", "_token")

    def __init__(self, operation: str, subject: str = "", kind: SpanKind = SpanKind.INTERNAL) -> None:
        self._operation = operation
        self._subject = subject
        self._kind = kind
        self._token: Token[Span] | None = None

    def __enter__(self) -> Span:
        self._span = parent = CURRENT_SPAN.get()
        if parent.recording:
            name = f"{self._operation} {self._subject}" if self._subject else self._operation
            self._span = parent.child(name, self._kind)
            self._token = CURRENT_SPAN.set(self._span)
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is None:
            return
        CURRENT_SPAN.reset(self._token)
        if error is not None:
            self._span.fail(error_type(error))
        self._span.end()
