"""How a run ends: with its last message, waiting for an approval, or with an error."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from langchain_core.messages import AIMessage, AnyMessage

from agent.errors.error_codes import AgentCode
from graph.approvals.record import PendingApproval
from graph.models.response import CUT_OFF
from identity.errors import AgentError, InternalError, RunTimeoutError
from identity.observation.failure import place_of


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of all model calls of a run."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def plus(self, message: AIMessage) -> "Usage":
        """With the tokens of one more model call."""
        used = message.usage_metadata
        if used is None:
            return self
        return Usage(
            self.input_tokens + used["input_tokens"],
            self.output_tokens + used["output_tokens"],
            self.reasoning_tokens + used.get("output_token_details", {}).get("reasoning", 0),
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a successful run: its last message, and the tokens of all model calls."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Paused:
    """The end of a run that waits for a person. Only a run of a conversation has it.

    The run is saved when this is sent: an answer continues it in any process (`agent.conversations`).
    """

    pending: tuple[PendingApproval, ...]
    """One: a run asks for one approval at a time."""
    usage: Usage = field(default_factory=Usage)
    response: AIMessage | None = None
    """The message of the model whose calls wait."""


class ModelMessages:
    """The messages of the model in one run, of which the last and the tokens are kept."""

    def __init__(self) -> None:
        self.usage = Usage()
        self._last = AIMessage("")

    def add(self, messages: Iterable[AnyMessage]) -> None:
        """Counts what a node added."""
        for message in messages:
            if isinstance(message, AIMessage):
                self.usage, self._last = self.usage.plus(message), message

    def finished(self) -> Finished:
        """The end of the run with these messages."""
        finish = self._last.response_metadata.get("finish_reason")
        return Finished(
            text=self._last.text,
            reasoning=str(self._last.additional_kwargs.get("reasoning_content") or ""),
            # Its calls are the agent's own: a client that reads `tool_calls` would look for them.
            finish_reason=finish if finish in CUT_OFF else "stop",
            usage=self.usage,
        )


def run_error(error: Exception, limit: asyncio.Timeout, seconds: float) -> AgentError:
    """The error of a run that raised `error` within `limit`, which is `seconds` long, without a traceback.

    Of an unexpected error, only the type and the place: its text may contain a secret.
    """
    if isinstance(error, AgentError):
        return error.again()
    if limit.expired():
        return RunTimeoutError(AgentCode.RUN_TIMED_OUT, f"the run took more than {seconds:g} seconds")
    text = f"the run raised {type(error).__name__} at {place_of(error)}"
    return InternalError(AgentCode.INTERNAL_ERROR, text)
