"""The runnable that LangServe serves: it starts runs (`agent.runs`) and yields only their text.

LangServe records and sends what its runnable does; so no step or credential of a run is in it.
"""

from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, cast

from langchain_core.callbacks import adispatch_custom_event
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import RunnableConfig, RunnableGenerator
from langchain_core.runnables.config import get_config_list
from pydantic import ConfigDict

from agent.api.disconnect import ClientDisconnectedError
from agent.runs.run import Finished, Paused, RunReader
from agent.runs.runs import Runs
from graph.models.piece import JoinedPieces, Piece
from identity.access_token.verified_access_token import VerifiedAccessToken

_AT_ONCE: Final = 2_048
_MOST: Final = 65_536


@dataclass(frozen=True, slots=True)
class RequestRuns:
    """The runs of one request to LangServe. `batch_at_once` inputs run at the same time; 0 for all."""

    runs: Runs
    caller: VerifiedAccessToken
    stream: RunReader | None = None
    """The run of a stream, which has begun before LangServe handles the request."""
    repeats: bool = False
    """With each chunk, LangServe queues and sends the whole message so far (`stream_log`)."""
    started: list[RunReader] = field(default_factory=list)
    batch_at_once: int = 0

    def cancel(self) -> None:
        """Cancels all runs of the request."""
        for run in self.started:
            run.leave()


REQUEST_RUNS: Final[ContextVar[RequestRuns]] = ContextVar("langserve_request_runs")
"""LangServe passes nothing of a request to its runnable; this is the only channel."""


class AgentMessage(AIMessage):
    """The message that is returned. LangServe's chat playground requires a schema that is a union of messages
    and includes the model's, so the schema names that type twice.
    """

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"properties": {"type": {"enum": ["ai"]}}}]})


class AgentRunnable(RunnableGenerator[Any, AIMessageChunk]):
    """Yields chunks; `ainvoke` and `abatch` return whole messages."""

    def __init__(self) -> None:
        """Its runs are those of the request."""
        super().__init__(cast(Any, _agent), name="agent")  # of a type that LangChain does not declare

    async def abatch(self, inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:  # noqa: ANN401 - the base class's signature
        """The messages of all inputs."""
        at_once = REQUEST_RUNS.get().batch_at_once or None
        configs = [{**each, "max_concurrency": at_once} for each in get_config_list(config, len(inputs))]
        return await super().abatch(inputs, cast(list[RunnableConfig], configs), **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ANN401 - the base class's signature
        """The message of one input."""
        return message_chunk_to_message(await super().ainvoke(input, config, **kwargs))


async def _agent(inputs: AsyncIterator[Any], config: RunnableConfig) -> AsyncIterator[AIMessageChunk]:
    async for given in inputs:
        request = REQUEST_RUNS.get()
        run = request.stream or request.runs.start(given["messages"], request.caller, streaming=False)
        request.started.append(run)
        end: Finished | None = None
        pieces = JoinedPieces(16, at_once=_AT_ONCE, most=_MOST) if request.repeats else None
        try:
            async for event in run:
                if isinstance(event, Finished):
                    end = event
                elif isinstance(event, Paused):  # only a run of a conversation
                    continue
                elif event["type"] == "content" or event["type"] == "reasoning":
                    text, thinking = event["text"], ""
                    if event["type"] == "reasoning":
                        text, thinking = thinking, text
                    piece = pieces.add(text, thinking) if pieces else Piece(text, thinking)
                    if piece is not None:
                        yield _chunk(piece)
                else:
                    await adispatch_custom_event(event["type"], event, config=config)
        finally:
            run.leave()
        if end is None:
            raise ClientDisconnectedError
        if pieces and (rest := pieces.rest()):
            yield _chunk(rest)
        yield _last_chunk(end, whole=request.stream is None)


def _chunk(piece: Piece) -> AIMessageChunk:
    reasoning = {"reasoning_content": piece.thinking} if piece.thinking else {}
    return AIMessageChunk(content=piece.text, additional_kwargs=reasoning)


def _last_chunk(end: Finished, *, whole: bool) -> AIMessageChunk:
    """The end of a stream; if `whole`, the complete message, because nothing was sent before."""
    usage = UsageMetadata(
        input_tokens=end.usage.input_tokens,
        output_tokens=end.usage.output_tokens,
        total_tokens=end.usage.input_tokens + end.usage.output_tokens,
    )
    reasoning = {"reasoning_content": end.reasoning} if whole and end.reasoning else {}
    return AIMessageChunk(
        content=end.text if whole else "",
        additional_kwargs=reasoning,
        usage_metadata=usage,
        response_metadata={"finish_reason": end.finish_reason},
    )
