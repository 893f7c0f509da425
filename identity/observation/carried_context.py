"""The facts of a request that go with its work into a task with a context of its own."""

from contextvars import Context
from dataclasses import dataclass

from identity.observation.current_span import CURRENT_SPAN
from identity.observation.request_id import REQUEST_ID
from identity.observation.span import Span
from identity.observation.user import USER


@dataclass(frozen=True, slots=True)
class CarriedContext:
    """The request's id, its caller and its span, for logs, audit and traces; nothing else of the context."""

    request_id: str | None
    user: str | None
    span: Span

    def enter(self) -> None:
        """Sets them in the current context."""
        REQUEST_ID.set(self.request_id)
        USER.set(self.user)
        CURRENT_SPAN.set(self.span)

    def new_context(self) -> Context:
        """An otherwise empty context with them."""
        context = Context()
        context.run(self.enter)
        return context


def carried_context() -> CarriedContext:
    """Those of the current context."""
    return CarriedContext(REQUEST_ID.get(), USER.get(), CURRENT_SPAN.get())
