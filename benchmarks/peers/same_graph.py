"""The floor: our surface over a graph of our shape, without authentication, credentials or any identity.

The same nodes by name and number, the same state but for what identity keeps there, the same tools on offer
as static values; what would authenticate or obtain passes on.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

from fastapi import FastAPI
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from agent.authentication import CALLER
from agent.body_limit import BodyLimit
from agent.garbage_collection import spare_what_lives_long
from agent.openai_api import openai_routes
from agent.request_log import RequestLog, set_up_logging
from agent.run import Runs
from agent.settings import read_settings
from benchmarks.servers.instant_model import InstantModel
from benchmarks.servers.stand_ins import TOOL
from graph.context import AgentContext
from graph.state import AgentInput, AgentOutput

_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": TOOL["description"],
            "parameters": TOOL["inputSchema"],
        },
    }
    for name in ("maps_weather", "call_enterprise_service")
]
_OFFERED = {"maps_weather": "amap", "call_enterprise_service": "enterprise"}


class State(AgentInput, total=False):
    """What is left of the state."""

    offered: dict[str, str]
    rounds: int


def graph_of(model: BaseChatModel) -> CompiledStateGraph[Any, Any, Any, Any]:
    """`authenticate → credentials → model ⇄ services`."""

    async def authenticate(state: State, runtime: Runtime[AgentContext]) -> dict[str, Any]:  # noqa: ARG001
        return {"rounds": 0, "offered": {}}

    async def passed_on(state: State, runtime: Runtime[AgentContext]) -> dict[str, Any]:  # noqa: ARG001
        return {"offered": {}}

    async def ask(state: State, runtime: Runtime[AgentContext]) -> dict[str, Any]:  # noqa: ARG001
        answer = await model.ainvoke(state["messages"], tools=_TOOLS, parallel_tool_calls=True)
        return {"messages": [answer], "offered": _OFFERED, "rounds": state.get("rounds", 0)}

    def route(state: State) -> list[str]:
        last = state["messages"][-1]
        calls = last.tool_calls if isinstance(last, AIMessage) else []
        return [_OFFERED[call["name"]] for call in calls] or [END]

    graph = StateGraph(State, context_schema=AgentContext, input_schema=AgentInput, output_schema=AgentOutput)
    graph.add_node("authenticate", authenticate)
    graph.add_node("credentials", passed_on)
    graph.add_node("model", ask)
    graph.add_edge(START, "authenticate")
    graph.add_edge("authenticate", "credentials")
    graph.add_edge("credentials", "model")
    for service in ("amap", "enterprise"):
        graph.add_node(service, passed_on)
        graph.add_edge(service, "model")
    graph.add_conditional_edges("model", route, ["amap", "enterprise", END])
    return graph.compile(name="agent")


class Everybody:
    """In the place of `Authentication`: whoever comes is nobody in particular."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._caller = SimpleNamespace(token=None, principal=None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets all in."""
        scope[CALLER] = self._caller
        await self._app(scope, receive, send)


def app() -> FastAPI:
    """The surface as `agent.app` builds it, without what is about identity."""
    set_up_logging()
    settings = read_settings(os.environ)
    runs = Runs(cast(Any, graph_of(InstantModel())), timeout=settings.run_timeout_seconds)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await runs.aclose()

    server = FastAPI(
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=[
            Middleware(CORSMiddleware, allow_origins=settings.cors_allowed_origins, allow_methods=["POST"]),
            Middleware(RequestLog),
            Middleware(Everybody),
            Middleware(BodyLimit, max_bytes=settings.max_body_bytes),
        ],
    )

    @server.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    server.include_router(openai_routes(runs, model=settings.llm_model, max_messages=settings.max_messages))
    spare_what_lives_long()
    return server
