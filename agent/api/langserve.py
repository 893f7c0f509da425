"""LangServe under `/agent`: `invoke`, `batch`, `stream`, `stream_log`, `stream_events`, schemas, playground.

LangServe serves not the graph but a facade, which runs the graph as every surface does (`agent.run`) and
yields only the pieces of the answer: whatever LangServe records or sends of its runnable, the inside of a run
and its credentials are not in it. What a client sends as `config` has no effect.

LangServe checks its input late and cannot give a stream a status, so a dependency does both before it: a bad
body is 422, and a stream's run has begun, or failed with its own status, before the first byte. What fails
after it is an `error` event, to which a route of the agent adds what every error of the agent has.

LangServe is deprecated by its makers; nothing outside of this file knows it.
"""

import asyncio
import contextlib
import json
import logging
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextvars import ContextVar
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
from langchain_core.runnables import Runnable, RunnableConfig, RunnableGenerator
from langchain_core.runnables.config import get_config_list
from langserve import add_routes
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from sse_starlette import EventSourceResponse
from starlette.responses import Response

from agent.api.disconnect import ClientLeftError, left, while_connected
from agent.api.errors import RequestError, internal_error_body, reported_body, status_of
from agent.api.messages import first_fault, langchain_conversation
from agent.middleware.authentication import caller_of
from agent.middleware.rate_limit import counted_request
from agent.run import Finished, Run, Runs
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError

_LOG: Final = logging.getLogger("idaas_agent.langserve")
_MAX_BATCH: Final = 32

_CALLER: Final[ContextVar[VerifiedAccessToken]] = ContextVar("langserve_caller")
_AHEAD: Final[ContextVar[Run | None]] = ContextVar("langserve_ahead", default=None)
"""The run of a stream, which began before LangServe did."""
_STARTED: Final[ContextVar[list[Run]]] = ContextVar("langserve_started")
"""All runs of a request, to be cancelled when it ends or its client leaves."""


def _converted(given: object) -> list[AnyMessage]:
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError("must be a list of at least one message")
    try:
        return langchain_conversation(given)
    except ValidationError as error:
        raise ValueError(first_fault(error).message) from None
    except RequestError as error:
        raise ValueError(error.message) from None


# Without the discriminator each is tried as every kind, and `AIMessage` fails on another's object.
_Message = Annotated[HumanMessage | AIMessage | SystemMessage | ToolMessage, Field(discriminator="type")]


class ChatInput(BaseModel):
    """A conversation, in LangChain's messages or in OpenAI's."""

    messages: Annotated[list[_Message], BeforeValidator(_converted)] = Field(
        json_schema_extra={"widget": {"type": "chat", "input": "messages"}}
    )


class Answer(AIMessage):
    """The answer. Its schema says twice that it is the model's: LangServe's chat playground looks for a
    choice of messages with that one among them, and serves no other.
    """

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"properties": {"type": {"enum": ["ai"]}}}]})


def langserve_routes(runs: Runs, *, max_messages: int, batch_at_once: int = 0) -> APIRouter:
    """The routes. Everything under them needs the caller that the authentication middleware found.

    Of a batch, `batch_at_once` inputs are worked on at a time; 0: all.
    """

    async def prepared(request: Request) -> AsyncIterator[None]:
        _CALLER.set(caller_of(request.scope))
        if request.method != "POST":
            yield
            return
        action = request.url.path.rpartition("/")[2]
        counted = counted_request(request.scope)
        most = min(_MAX_BATCH, (counted and counted.most) or _MAX_BATCH)
        name, inputs = _inputs(await request.body(), batch=action == "batch", most=most)
        if counted is not None and action == "batch":
            await counted.as_many(len(inputs))
        conversations = [_conversation(each, name, max_messages) for each in inputs]
        started: list[Run] = []
        _STARTED.set(started)
        _AHEAD.set(None)
        if action.startswith("stream"):
            run = runs.start(conversations[0], caller_of(request.scope), streaming=True)
            await while_connected(run, run.first(), request.receive)
            started.append(run)
            _AHEAD.set(run)
        watch = asyncio.create_task(left(request.receive))
        watch.add_done_callback(lambda _: _cancel_all(started))
        try:
            yield
        finally:
            watch.cancel()

    router = APIRouter(prefix="/agent", route_class=_Route)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        add_routes(
            router,
            _facade(runs, batch_at_once),
            input_type=ChatInput,
            output_type=Answer,
            playground_type="chat",
            enable_feedback_endpoint=False,
            enable_public_trace_link_endpoint=False,
            disabled_endpoints=["token_feedback"],  # type: ignore[list-item]  # without effect here
            dependencies=[Depends(prepared)],
        )
    return router


class _Route(APIRoute):
    """Streams that end well, whatever happens in them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                response = await handler(request)
            except (OSError, ValueError):  # the playground opens every path: folders, long names, "%00"
                if "file_path" not in request.path_params:
                    raise
                raise RequestError(None, "there is no such file", code="not_found", status=404) from None
            if isinstance(response, EventSourceResponse):
                events = cast(AsyncGenerator[Any], response.body_iterator)
                response.body_iterator = _ending_well(events)
            return response

        return handle


async def _ending_well(events: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """LangServe's events. Its own `error` event has no detail, and is followed by the raised error."""
    try:
        async for event in events:
            if not isinstance(event, dict) or event.get("event") != "error":
                yield event
    except AgentError as error:
        yield _error_event(reported_body(error), status_of(error))
    except ClientLeftError:
        return
    except Exception as error:  # noqa: BLE001 - its text may hold anything
        _LOG.error("stream failed unexpectedly: %s", type(error).__name__)
        yield _error_event(internal_error_body(), 500)
    finally:
        with contextlib.suppress(RuntimeError):  # LangServe's generator yields at its end too
            await events.aclose()


def _error_event(body: dict[str, Any], status: int) -> dict[str, str]:
    """`status_code` and `message` are what LangServe's client makes its exception of."""
    message = f"{body['error']['message']} ({body['error']['code']})"
    data = {"status_code": status, "message": message, **body}
    return {"event": "error", "data": json.dumps(data, ensure_ascii=False)}


class _Facade(RunnableGenerator[Any, AIMessageChunk]):
    """A generator whose pieces, where they are added up, make a message and not a piece."""

    batch_at_once = 0

    async def abatch(self, inputs: list[Any], config: Any = None, **kwargs: Any) -> list[Any]:  # noqa: ANN401 - the base class's shape
        """The answers whole."""
        at_once = {"max_concurrency": self.batch_at_once or None}
        configs = [{**each, **at_once} for each in get_config_list(config, len(inputs))]
        return await super().abatch(inputs, cast(list[RunnableConfig], configs), **kwargs)

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ANN401 - the base class's shape
        """The answer whole."""
        return message_chunk_to_message(await super().ainvoke(input, config, **kwargs))


def _facade(runs: Runs, batch_at_once: int) -> Runnable[Any, AIMessageChunk]:
    async def agent(inputs: AsyncIterator[Any], config: RunnableConfig) -> AsyncIterator[AIMessageChunk]:
        async for given in inputs:
            ahead = _AHEAD.get()
            run = ahead or runs.start(given["messages"], _CALLER.get(), streaming=False)
            _STARTED.get().append(run)
            end: Finished | None = None
            try:
                async for event in run:
                    if isinstance(event, Finished):
                        end = event
                    elif event["type"] == "content":
                        yield AIMessageChunk(content=event["text"])
                    elif event["type"] == "reasoning":
                        thought = {"reasoning_content": event["text"]}
                        yield AIMessageChunk(content="", additional_kwargs=thought)
                    else:
                        await adispatch_custom_event(event["type"], event, config=config)
            finally:
                run.cancel()
            if end is None:
                raise ClientLeftError
            yield _last_piece(end, whole=ahead is None)

    facade = _Facade(agent)  # type: ignore[arg-type]  # its type knows no config parameter
    facade.batch_at_once = batch_at_once
    return facade


def _cancel_all(runs: list[Run]) -> None:
    for run in runs:
        run.cancel()


def _last_piece(end: Finished, *, whole: bool) -> AIMessageChunk:
    """What ends a stream; `whole`: the answer, of which nothing was sent before."""
    usage = UsageMetadata(
        input_tokens=end.usage.input_tokens,
        output_tokens=end.usage.output_tokens,
        total_tokens=end.usage.input_tokens + end.usage.output_tokens,
    )
    thought = {"reasoning_content": end.reasoning} if whole and end.reasoning else {}
    return AIMessageChunk(
        content=end.text if whole else "",
        additional_kwargs=thought,
        usage_metadata=usage,
        response_metadata={"finish_reason": end.finish_reason},
    )


def _inputs(body: bytes, *, batch: bool, most: int) -> tuple[str, list[object]]:
    """The name of the member with the inputs, and the inputs. They are validated after they are counted."""
    try:
        given = from_json(body)  # bounded in depth, and no half characters, which cannot be sent on
    except ValueError:
        raise RequestError(None, "body: must be JSON", status=422) from None
    name = "inputs" if batch else "input"
    if not isinstance(given, dict) or name not in given:
        raise RequestError(name, "must be given", status=422)
    if given.get("config", {}) is None:
        raise RequestError("config", "must be an object, or not given", status=422)
    inputs = given[name] if batch else [given[name]]
    if not isinstance(inputs, list) or not 0 < len(inputs) <= most:
        raise RequestError(name, f"must be a list of 1 to {most} inputs", status=422)
    return name, inputs


def _conversation(given: object, name: str, max_messages: int) -> list[AnyMessage]:
    try:
        messages = ChatInput.model_validate(given).messages
    except ValidationError as error:
        fault = first_fault(error, within=name)
        raise RequestError(fault.param, fault.problem, status=422) from None
    if len(messages) > max_messages:
        raise RequestError(name, f"at most {max_messages} messages, found {len(messages)}", status=422)
    return cast(list[AnyMessage], messages)
