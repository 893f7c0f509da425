"""Calls of tools in place of a response of the model: the caller requests one, or one is repeated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.messages import AnyMessage, ToolCall
from langgraph.runtime import Runtime
from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from graph.context import AgentContext, context_of


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
    """Calls that are made again after a consent. The model's next response."""


def begin_proposed_calls(_: Sequence[AnyMessage], runtime: Runtime[AgentContext]) -> dict[str, Any]:
    """The calls at the beginning of a run: the one that its caller requests."""
    requested = context_of(runtime).extensions.get(RequestedCall)
    call = None if requested is None else requested.call
    return {"requested": call, "proposed": []}
