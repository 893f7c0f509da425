"""LangServe over the bare graph, as its documentation shows it.

`/agent` is the graph itself, which streams the update of each node, so the completion is one event. `/tokens`
streams tokens.
"""

import warnings
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.runnables import Runnable, RunnableGenerator
from langserve import add_routes
from pydantic import BaseModel

from benchmarks.peers.bare import chat_model, one_node


class ChatInput(BaseModel):
    """A conversation."""

    messages: list[HumanMessage | AIMessage | SystemMessage]


def app() -> FastAPI:
    """The server."""
    server = FastAPI()

    @server.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    graph = one_node(chat_model())

    async def tokens(inputs: AsyncIterator[dict[str, Any]]) -> AsyncIterator[AIMessageChunk]:
        async for given in inputs:
            async for message, _ in graph.astream(given, stream_mode="messages"):
                if isinstance(message, AIMessageChunk):
                    yield message

    streamed: Runnable[Any, Any] = RunnableGenerator(tokens)
    streamed = streamed.with_types(input_type=ChatInput, output_type=AIMessage)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        add_routes(server, graph.with_types(input_type=ChatInput, output_type=dict), path="/agent")
        add_routes(server, streamed, path="/tokens")
    return server
