"""What is observed of calls of the model and of tools: how long they take, and how they end."""

import time
from types import TracebackType
from typing import Final, Self

from langchain_core.messages import AIMessage

from identity.errors import ServiceError
from identity.measures import LONG_SECONDS, Distribution, Tally
from identity.tracing.error_type import SUCCESS, error_type

TOOL_ERROR: Final = "tool_error"
"""The tool itself reported the failure, such as an unknown city."""


class ObservedCalls:
    """The measures of one graph. `model` is the name of its model."""

    def __init__(self, model: str = "") -> None:
        self.model: Final = model
        self.inference: Final = Distribution(LONG_SECONDS)
        """Seconds of model calls, by model and error."""
        self.first_chunk: Final = Distribution(LONG_SECONDS)
        """Seconds until the first piece of a streamed response, by model."""
        self.input_tokens: Final = Tally()
        """By model, as are the next two."""
        self.output_tokens: Final = Tally()
        self.reasoning_tokens: Final = Tally()
        self.tools: Final = Distribution(LONG_SECONDS)
        """Seconds of tool calls, by tool, service and error."""

    def inference_call(self) -> "InferenceCall":
        """A context manager around one request to the model."""
        return InferenceCall(self)

    def tool_call(self, tool: str, service: str) -> "ObservedToolCall":
        """A context manager around one call of a tool."""
        return ObservedToolCall(self, tool, service)


class InferenceCall:
    """One request to the model."""

    def __init__(self, calls: ObservedCalls) -> None:
        self._calls = calls
        self._began = 0.0
        self._failure = SUCCESS

    def first_chunk(self) -> None:
        """The first piece of the response has arrived. Call it once."""
        self._calls.first_chunk.observe(time.perf_counter() - self._began, self._calls.model)

    def ended(self, response: AIMessage | ServiceError) -> None:
        """The request ended with `response`."""
        if isinstance(response, ServiceError):
            self._failure = error_type(response)
        elif (used := response.usage_metadata) is not None:
            calls, model = self._calls, self._calls.model
            calls.input_tokens.add(model, amount=used["input_tokens"])
            calls.output_tokens.add(model, amount=used["output_tokens"])
            if reasoning := used.get("output_token_details", {}).get("reasoning"):
                calls.reasoning_tokens.add(model, amount=reasoning)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failure = self._failure if error is None else error_type(error)
        self._calls.inference.observe(time.perf_counter() - self._began, self._calls.model, failure)


class ObservedToolCall:
    """One call of a tool."""

    def __init__(self, calls: ObservedCalls, tool: str, service: str) -> None:
        self._calls = calls
        self._tool = tool
        self._service = service
        self._began = 0.0
        self._failure = SUCCESS

    def ended(self, failure: str) -> None:
        """The call ended with `failure`: a code, `TOOL_ERROR` or `SUCCESS`."""
        self._failure = failure

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failure = self._failure if error is None else error_type(error)
        self._calls.tools.observe(time.perf_counter() - self._began, self._tool, self._service, failure)
