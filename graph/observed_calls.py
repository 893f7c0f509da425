"""What is observed of calls of the model and of tools: their measures, and their spans.

Spans follow OpenTelemetry's GenAI conventions. The text of an exception is in none of them: tools and
services put arguments and results into it.
"""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from langchain_core.messages import AIMessage, AnyMessage

from graph.message_content import message_content
from identity.errors import ServiceError
from identity.observation.attribute import Attribute
from identity.observation.metrics import LONG_SECONDS, SUCCESS, Counter, Metrics, error_type
from identity.observation.span import NO_SPAN, Span, SpanKind, started_span
from identity.secrets.secret import Secret

TOOL_ERROR: Final = "tool_error"
"""The tool itself reported the failure, such as an unknown city."""
PROVIDER: Final = "openai"
"""By the convention's rule: the format of the API, not the vendor."""


_CHAT: Final[Mapping[str, str]] = {Attribute.OPERATION: "chat", Attribute.PROVIDER: PROVIDER}


class ObservedCalls:
    """The measures of one graph. `model` is the name of its model."""

    def __init__(self, model: str = "", metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self.model: Final = model
        self.inference: Final = metrics.histogram(
            "gen_ai.client.inference.duration",
            "Calls of the model",
            labels=(Attribute.MODEL, Attribute.ERROR_TYPE),
            fixed=_CHAT,
            bounds=LONG_SECONDS,
        )
        self.first_chunk: Final = metrics.histogram(
            "gen_ai.client.inference.time_to_first_chunk",
            "From the start of a streamed call of the model to its first piece",
            labels=(Attribute.MODEL,),
            fixed=_CHAT,
            bounds=LONG_SECONDS,
        )

        def tokens(kind: str, counted: str) -> Counter:
            return metrics.counter(
                f"gen_ai.client.inference.usage.{kind}",
                f"{counted}, as the model service reports them",
                unit="{token}",
                labels=(Attribute.MODEL,),
                fixed=_CHAT,
            )

        self.input_tokens: Final = tokens("input_tokens", "Tokens of prompts")
        self.output_tokens: Final = tokens("output_tokens", "Tokens of responses, thinking included")
        self.reasoning_tokens: Final = tokens("reasoning.output_tokens", "Tokens of thinking")
        self.tools: Final = metrics.histogram(
            "gen_ai.execute_tool.duration",
            "Calls of tools, with the renewal of a refused credential",
            labels=(Attribute.TOOL, Attribute.SERVICE, Attribute.ERROR_TYPE),
            fixed={Attribute.OPERATION: "execute_tool"},
            bounds=LONG_SECONDS,
        )

    def inference_call(self) -> "InferenceCall":
        """A context manager around one request to the model."""
        return InferenceCall(self)


class InferenceCall:
    """One request to the model. Until it is entered, it reports to no span."""

    def __init__(self, calls: ObservedCalls) -> None:
        self._calls = calls
        self._work = started_span("chat", calls.model, SpanKind.CLIENT)
        self._span: Span = NO_SPAN
        self._began = 0.0
        self._failure = SUCCESS

    def requests(self, prompt: Sequence[AnyMessage], key: Secret, *, streamed: bool) -> None:
        """What is requested, with the API key, which no span shows."""
        self._span.set(Attribute.STREAMED, streamed)
        if self._span.content:
            self._span.set(Attribute.INPUT_MESSAGES, message_content(prompt, [key]))

    def first_chunk(self) -> None:
        """The first piece of the response has arrived. Call it once."""
        seconds = time.perf_counter() - self._began
        self._calls.first_chunk.observe(seconds, self._calls.model)
        self._span.set(Attribute.FIRST_CHUNK, seconds)

    def ended(self, response: AIMessage | ServiceError, key: Secret) -> None:
        """The request ended with `response`, which is whole or cut off."""
        if isinstance(response, ServiceError):
            self._failure = error_type(response)
            return
        if (used := response.usage_metadata) is not None:
            reasoning = used.get("output_token_details", {}).get("reasoning") or 0
            self._used(used["input_tokens"], used["output_tokens"], reasoning)
        span = self._span
        if span.recording and (reason := response.response_metadata.get("finish_reason")):
            span.set(Attribute.FINISH_REASONS, (reason,))
        if span.content:
            span.set(Attribute.OUTPUT_MESSAGES, message_content([response], [key]))

    def _used(self, input_tokens: int, output_tokens: int, reasoning: int) -> None:
        calls, span = self._calls, self._span
        calls.input_tokens.add(calls.model, amount=input_tokens)
        calls.output_tokens.add(calls.model, amount=output_tokens)
        span.set(Attribute.INPUT_TOKENS, input_tokens)
        span.set(Attribute.OUTPUT_TOKENS, output_tokens)
        if reasoning:
            calls.reasoning_tokens.add(calls.model, amount=reasoning)
            span.set(Attribute.REASONING_TOKENS, reasoning)

    def __enter__(self) -> Self:
        self._span = span = self._work.__enter__()
        if span.recording:
            span.set(Attribute.OPERATION, "chat")
            span.set(Attribute.PROVIDER, PROVIDER)
            span.set(Attribute.MODEL, self._calls.model)
        self._began = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failure = self._failure if error is None else error_type(error)
        self._calls.inference.observe(time.perf_counter() - self._began, self._calls.model, failure)
        self._span.fail(failure)
        self._work.__exit__(kind, error, traceback)
