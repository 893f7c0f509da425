"""The server's model as a chat model of LangChain's, for a graph whose function takes a `model`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import ensure_config
from langchain_core.runnables.config import var_child_runnable_config
from pydantic import PrivateAttr

from graph.credentials.service_credentials import ServiceCredentials
from graph.error_codes import MODEL
from graph.models.async_chat_model import AsyncChatModel
from graph.nodes.model_calls import ModelCall, ModelCalls
from graph.notices import notices_to
from idaas_agent.library.hosting import run_of
from identity.secrets.secret import Secret

if TYPE_CHECKING:
    from idaas_agent.library.identity import Identity


class ServedModel(AsyncChatModel):
    """Asked for the caller of the run, with the key of the server's model, on record and within its time. It
    takes tools, and no `tool_choice` or other options. Raises the errors of the model and of its key.
    """

    model: str = ""
    """Its name."""
    _calls: ModelCalls = PrivateAttr()
    _credentials: ServiceCredentials = PrivateAttr()
    _static_key: Secret | None = PrivateAttr(default=None)
    _identity: "Identity" = PrivateAttr()

    @classmethod
    def of(
        cls,
        calls: ModelCalls,
        credentials: ServiceCredentials,
        static_key: Secret | None,
        identity: "Identity",
    ) -> "ServedModel":
        """The model of `calls`, for callers of `identity`. `static_key` is sent in place of theirs."""
        made = cls(model=calls.name or "")
        made._calls = calls
        made._credentials = credentials
        made._static_key = static_key
        made._identity = identity
        return made

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **options: Any) -> ChatResult:  # noqa: ANN401 - LangChain's
        response = await self._response(messages, options, None)
        return ChatResult(generations=[ChatGeneration(message=response)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        *_: Any,  # noqa: ANN401 - LangChain's
        **options: Any,  # noqa: ANN401 - LangChain's
    ) -> AsyncIterator[ChatGenerationChunk]:
        """The pieces of the response as they arrive, and then its calls."""
        events: asyncio.Queue[Any] = asyncio.Queue()
        asking = asyncio.create_task(self._response(messages, options, events.put_nowait))
        asking.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                if event["type"] == "content":
                    yield ChatGenerationChunk(message=AIMessageChunk(content=event["text"]))
                elif event["type"] == "reasoning":
                    thinking = {"reasoning_content": event["text"]}
                    yield ChatGenerationChunk(message=AIMessageChunk(content="", additional_kwargs=thinking))
            yield ChatGenerationChunk(message=_end_of(asking.result()))
        finally:
            asking.cancel()

    async def _response(self, messages: list[BaseMessage], options: dict[str, Any], writer: Any) -> AIMessage:  # noqa: ANN401 - LangGraph's
        caller = await self._identity.required_caller()
        call = ModelCall(cast(Sequence[AnyMessage], messages), options.get("tools", ()), writer)
        key = self._static_key or self._credentials.of(caller, MODEL)
        run = run_of(ensure_config().get("configurable", {}))
        outer = var_child_runnable_config.set(None)  # the provider's own model is not shown beside this one
        try:
            with notices_to(None if run is None else run.writer, lambda: [caller.token]):
                return await self._calls.response(call, key, caller)
        finally:
            var_child_runnable_config.reset(outer)


def _end_of(response: AIMessage) -> AIMessageChunk:
    """The last piece of a response: all that it has besides its words."""
    return AIMessageChunk(
        content="",
        tool_calls=response.tool_calls,
        invalid_tool_calls=response.invalid_tool_calls,
        response_metadata=response.response_metadata,
        usage_metadata=response.usage_metadata,
        chunk_position="last",
    )
