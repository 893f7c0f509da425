"""LangServe's routes, with validation and the start of a stream's run before LangServe.

LangServe validates its input late and cannot give a stream a status. A dependency does both before it: an
invalid body is 422, and a stream's run has begun, or failed with its own status, before the first byte. A
later failure is an `error` event with the agent's error body. The `config` that a client sends has
no effect. LangServe records and sends what its runnable does: so that starts runs (`agent.runs`) and yields
only their text, and no step or credential of a run is in it.
"""

import asyncio
import contextlib
import json
import logging
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from langchain_core.callbacks import adispatch_custom_event
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    AnyMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    message_chunk_to_message,
)
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import RunnableConfig, RunnableGenerator
from langchain_core.runnables.config import get_config_list
from langserve import add_routes
from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from sse_starlette import EventSourceResponse
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from agent.api.disconnect import disconnected, while_connected
from agent.api.messages import conversation_schema, first_fault, langchain_conversation
from agent.api.openapi_document import EVENTS
from agent.api.response_models import documented_body
from agent.api.surface import Surface
from agent.api.validation_fault import json_value
from agent.composition.agent import Agent
from agent.errors.error_response import RequestError, internal_error_body, reported_body, status_of
from agent.http.authentication import caller_of
from agent.http.rate_limit import RECOUNT
from agent.runs.run import Cancelled, Finished, Paused, RunReader
from agent.runs.runs import Runs
from graph.events import Notice, ServicesUnavailable, joined_unavailable
from graph.models.piece import JoinedPieces, Piece, thinking_kwargs
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError

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


class AgentRunnable(RunnableGenerator[Any, AIMessageChunk]):
    """Yields chunks; `ainvoke` and `abatch` return whole messages."""

    def __init__(self) -> None:
        """Its runs are those of the request."""
        super().__init__(cast(Any, _agent), name="agent")  # of a type that LangChain does not declare

    async def abatch(self, inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:  # noqa: ANN401 - the base class's signature
        """The messages of all inputs."""
        at_once = REQUEST_RUNS.get().batch_at_once or None
        configs = [{**single, "max_concurrency": at_once} for single in get_config_list(config, len(inputs))]
        return await super().abatch(inputs, cast(list[RunnableConfig], configs), **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ANN401 - the base class's signature
        """The message of one input."""
        return message_chunk_to_message(await super().ainvoke(input, config, **kwargs))


async def _agent(inputs: AsyncIterator[Any], config: RunnableConfig) -> AsyncIterator[AIMessageChunk]:
    async for value in inputs:
        request = REQUEST_RUNS.get()
        run = request.stream or request.runs.start(value["messages"], request.caller, streaming=False)
        request.started.append(run)
        end: Finished | None = None
        unavailable: ServicesUnavailable | None = None
        notices: list[Notice] = []
        pieces = JoinedPieces(16, at_once=_AT_ONCE, most=_MOST) if request.repeats else None
        try:
            async for event in run:
                if isinstance(event, Finished):
                    end = event
                elif isinstance(event, Paused | Cancelled):  # the first: only a run of a conversation
                    continue
                elif event["type"] == "content" or event["type"] == "reasoning":
                    words = event["text"]
                    text, thinking = (words, "") if event["type"] == "content" else ("", words)
                    piece = pieces.add(text, thinking) if pieces else Piece(text, thinking)
                    if piece is not None:
                        yield _chunk(piece)
                else:
                    if event["type"] == "services_unavailable":
                        unavailable = joined_unavailable(unavailable, event)
                    elif event["type"] == "notice":
                        notices.append(event)
                    await adispatch_custom_event(event["type"], event, config=config)
        finally:
            run.leave()
        if end is None:
            raise ClientDisconnect
        if pieces and (rest := pieces.rest()):
            yield _chunk(rest)
        yield _last_chunk(end, unavailable, notices, whole=request.stream is None)


def _chunk(piece: Piece) -> AIMessageChunk:
    reasoning = thinking_kwargs(piece.thinking)
    return AIMessageChunk(content=piece.text, additional_kwargs=reasoning)


def _last_chunk(
    end: Finished, unavailable: ServicesUnavailable | None, notices: Sequence[Notice], *, whole: bool
) -> AIMessageChunk:
    """The end of a stream; if `whole`, the complete message, because nothing was sent before."""
    usage = UsageMetadata(
        input_tokens=end.usage.input_tokens,
        output_tokens=end.usage.output_tokens,
        total_tokens=end.usage.input_tokens + end.usage.output_tokens,
    )
    metadata: dict[str, Any] = {"finish_reason": end.finish_reason}
    if unavailable is not None:
        metadata["services_unavailable"] = unavailable["services"]
    if notices:
        metadata["notices"] = list(notices)
    piece = Piece(end.text, end.reasoning) if whole else Piece()
    return AIMessageChunk(
        content=piece.text,
        additional_kwargs=thinking_kwargs(piece.thinking),
        usage_metadata=usage,
        response_metadata=metadata,
    )


MAX_BATCH: Final = 32


def _converted(value: object) -> list[AnyMessage]:
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError("must be a list of at least one message")
    try:
        return langchain_conversation(value)
    except ValidationError as error:
        raise ValueError(first_fault(error).message) from None
    except RequestError as error:
        raise ValueError(error.message) from None


# Without the discriminator pydantic tries every type, and `AIMessage` fails on an object of another one.
_Message = Annotated[HumanMessage | AIMessage | SystemMessage | ToolMessage, Field(discriminator="type")]


class ChatInput(BaseModel):
    """A conversation, in LangChain's or OpenAI's messages."""

    messages: Annotated[list[_Message], BeforeValidator(_converted)] = Field(
        json_schema_extra={"widget": {"type": "chat", "input": "messages"}}
    )


def read_inputs(body: bytes, *, batch: bool, most: int) -> tuple[str, list[object]]:
    """The name of the member with the inputs, and at most `most` inputs, which are not validated yet."""
    value = json_value(body, RequestError(None, "body: must be JSON", status=422))
    name = "inputs" if batch else "input"
    if not isinstance(value, dict) or name not in value:
        raise RequestError(name, "must be given", status=422)
    if value.get("config", {}) is None:
        raise RequestError("config", "must be an object, or not given", status=422)
    inputs = value[name] if batch else [value[name]]
    if not isinstance(inputs, list) or not 0 < len(inputs) <= most:
        raise RequestError(name, f"must be a list of 1 to {most} inputs", status=422)
    return name, inputs


def validate_input(value: object, name: str, max_messages: int) -> list[AnyMessage]:
    """The messages of one input. `name` is the member that contains it. Raises `RequestError`."""
    try:
        messages = ChatInput.model_validate(value).messages
    except ValidationError as error:
        fault = first_fault(error, within=name)
        raise RequestError(fault.param, fault.problem, status=422) from None
    if len(messages) > max_messages:
        raise RequestError(name, f"at most {max_messages} messages, found {len(messages)}", status=422)
    return cast(list[AnyMessage], messages)


_LOG: Final = logging.getLogger("idaas_agent.langserve")


class LangServeRoute(APIRoute):
    """A route of LangServe whose stream always ends well-formed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with the events of a stream replaced."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            response = await handler(request)
            if isinstance(response, EventSourceResponse):
                events = cast(AsyncGenerator[Any], response.body_iterator)
                response.body_iterator = _with_error_event(events)
            return response

        return handle


async def _with_error_event(events: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """LangServe's events. Its own `error` event has no detail and is dropped; the raised error follows it."""
    try:
        async for event in events:
            if not isinstance(event, dict) or event.get("event") != "error":
                yield event
    except AgentError as error:
        yield _error_event(reported_body(error), status_of(error))
    except ClientDisconnect:
        return
    except Exception as error:  # noqa: BLE001 - the text may contain a secret
        _LOG.error("stream failed unexpectedly: %s", type(error).__name__)
        yield _error_event(internal_error_body(), 500)
    finally:
        with contextlib.suppress(RuntimeError):  # LangServe's generator also yields when it is closed
            await events.aclose()


def _error_event(body: dict[str, Any], status: int) -> dict[str, str]:
    """An error event. LangServe's client builds its exception from `status_code` and `message`."""
    message = f"{body['error']['message']} ({body['error']['code']})"
    data = {"status_code": status, "message": message, **body}
    return {"event": "error", "data": json.dumps(data, ensure_ascii=False)}


async def _prepare(request: Request) -> AsyncIterator[None]:
    caller = caller_of(request.scope)
    if request.method != "POST":
        yield
        return
    agent: Agent = request.app.state.agent
    runs = agent.runs
    settings = agent.settings
    action = request.url.path.rpartition("/")[2]
    most = min(MAX_BATCH, settings.max_requests_per_minute or MAX_BATCH)
    name, inputs = read_inputs(await request.body(), batch=action == "batch", most=most)
    if action == "batch":
        await request.scope[RECOUNT](len(inputs))
    conversations = [validate_input(value, name, settings.max_messages) for value in inputs]
    requested = RequestRuns(runs, caller, batch_at_once=settings.max_concurrent_runs)
    if action.startswith("stream"):
        run = runs.start(conversations[0], caller, streaming=True)
        await while_connected(run.first(), request.receive, run.leave)
        requested = RequestRuns(runs, caller, run, action == "stream_log", [run])
    REQUEST_RUNS.set(requested)
    watch = asyncio.create_task(disconnected(request.receive))
    watch.add_done_callback(lambda _: requested.cancel())
    try:
        yield
    finally:
        watch.cancel()


@cache
def langserve_routes() -> APIRouter:
    """The routes, of every application: LangServe computes its schemas once. All need the caller that the
    authentication middleware verified, and the application's `agent` in its state.
    """
    router = APIRouter(prefix="/agent", route_class=LangServeRoute)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        add_routes(
            router,
            AgentRunnable(),
            input_type=ChatInput,
            output_type=AIMessage,
            enable_feedback_endpoint=False,
            enable_public_trace_link_endpoint=False,
            # `config_hashes` decompresses a part of the path without a limit, and a browser that opens the
            # playground sends no access token.
            disabled_endpoints=["token_feedback", "config_hashes", "playground"],  # type: ignore[list-item]  # the first is without effect here
            dependencies=[Depends(_prepare)],
        )
    return router


_STREAMS: Final = ("stream", "stream_log", "stream_events")


def _document(paths: dict[str, Any]) -> None:
    """The request bodies of the routes: LangServe's own models list members without effect here."""
    schema = {"type": "object", "properties": {"messages": conversation_schema()}, "required": ["messages"]}
    several = {"type": "array", "items": schema, "minItems": 1, "maxItems": MAX_BATCH}
    for name in ("invoke", "batch", *_STREAMS):
        members = {"inputs": several} if name == "batch" else {"input": schema}
        body = documented_body({"type": "object", "properties": members, "required": list(members)})
        operation = paths[f"/agent/{name}"]["post"]
        operation |= body
        if name in _STREAMS:
            events = {"description": "LangServe's events.", "content": {"text/event-stream": EVENTS}}
            operation["responses"]["200"] = events


LANGSERVE: Final = Surface(
    name="langserve",
    routes=lambda _: langserve_routes(),
    starts_run=lambda path: path.startswith("/agent/"),
    document=_document,
)
