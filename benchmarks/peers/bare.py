"""A usual agent without identity: FastAPI, LangGraph, ChatOpenAI, static keys.

The server has three agents: the model alone, with an MCP server over one persistent session, and with an HTTP
tool over one persistent client.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.sessions import StreamableHttpConnection
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.prebuilt import create_react_agent
from pydantic import BaseModel

Graph: TypeAlias = CompiledStateGraph[Any, Any, Any, Any]


class Chat(BaseModel):
    """The body of a chat completion."""

    messages: list[dict[str, Any]]
    model: str = "qwen-plus"
    stream: bool = False


def chat_model() -> ChatOpenAI:
    """Qwen with a static key."""
    return ChatOpenAI(
        model="qwen-plus", base_url=os.environ["LLM_BASE_URL"], api_key=os.environ["LLM_API_KEY"]
    )


def one_node(model: ChatOpenAI) -> Graph:
    """A graph with one node, which calls the model."""

    async def call_model(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", call_model)
    graph.add_edge(START, "model")
    graph.add_edge("model", END)
    return graph.compile()


async def completion(graph: Graph, chat: Chat) -> Any:
    """The completion that `graph` gives, whole or as a stream."""
    if chat.stream:
        return StreamingResponse(chunks(graph, chat), media_type="text/event-stream")
    result = await graph.ainvoke({"messages": chat.messages})
    message = {"role": "assistant", "content": result["messages"][-1].content}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": chat.model, "choices": [choice]}


async def chunks(graph: Graph, chat: Chat) -> AsyncIterator[str]:
    """Server-sent events, a chunk for each token."""
    async for message, _ in graph.astream({"messages": chat.messages}, stream_mode="messages"):
        if isinstance(message, AIMessageChunk) and message.content:
            choice = {"index": 0, "delta": {"content": message.content}, "finish_reason": None}
            chunk = {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "model": chat.model,
                "choices": [choice],
            }
            yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"


def app() -> FastAPI:
    """The server."""
    graphs: dict[str, Graph] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        model = chat_model()
        amap = StreamableHttpConnection(transport="streamable_http", url=os.environ["EXTERNAL_SERVER_URL"])
        async with (
            MultiServerMCPClient({"amap": amap}).session("amap") as session,
            httpx.AsyncClient() as http,
        ):

            @tool
            async def call_enterprise_service() -> str:
                """Calls the enterprise service and returns its response."""
                headers = {"Authorization": "Bearer static"}
                response = await http.post(os.environ["ENTERPRISE_SERVICE_URL"], json={}, headers=headers)
                response.raise_for_status()
                return response.text

            graphs["model"] = one_node(model)
            graphs["mcp"] = create_react_agent(model, await load_mcp_tools(session))
            graphs["enterprise"] = create_react_agent(model, [call_enterprise_service])
            yield

    server = FastAPI(lifespan=lifespan)

    @server.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @server.post("/chat/completions")
    async def chat(chat: Chat) -> Any:
        return await completion(graphs["model"], chat)

    @server.post("/mcp/chat/completions")
    async def chat_with_mcp(chat: Chat) -> Any:
        return await completion(graphs["mcp"], chat)

    @server.post("/enterprise/chat/completions")
    async def chat_with_enterprise(chat: Chat) -> Any:
        return await completion(graphs["enterprise"], chat)

    return server
