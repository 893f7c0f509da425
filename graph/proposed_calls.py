"""Calls of tools in place of a response of the model: the caller requests one, or tools propose some."""

from dataclasses import dataclass
from typing import Annotated

from langchain_core.messages import ToolCall
from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12


@dataclass(frozen=True, slots=True)
class RequestedCall:
    """Beside the context of a run: a call that its caller requests in place of the model's first response.
    The run ends with its result, and the model is not called.
    """

    call: ToolCall


def _added_or_cleared(earlier: list[ToolCall], new: list[ToolCall]) -> list[ToolCall]:
    return [*earlier, *new] if new else []


class ProposedCallsState(TypedDict, total=False):
    """The part of a run's state that is about calls which the model does not make."""

    requested: ToolCall | None
    """The call that the caller requests in place of the model's first response (`RequestedCall`)."""
    proposed: Annotated[list[ToolCall], _added_or_cleared]
    """Calls of tools that are agents, about which the user is to be asked. The model's next response."""
