"""The agent, whole, with the model in its own process: what is left is what the agent itself costs."""

import os
from typing import Any, cast

from fastapi import FastAPI

from agent.app import create_app
from agent.composition import Agent
from agent.request_log import set_up_logging
from agent.run import Runs
from agent.settings import read_settings
from benchmarks.servers.instant_model import InstantModel
from graph.agent_graph import build_graph


def app() -> FastAPI:
    """As `agent.app.production_app`, but for the model."""
    set_up_logging()
    settings = read_settings(os.environ)
    agent = Agent(settings)
    graph = build_graph(
        model=InstantModel(),
        services=agent.services,
        verifier=agent.verifier,
        credentials=agent.broker,
        access_identity=settings.access_identity,
        llm_api_key=agent.llm_api_key,
    )
    cast(Any, agent).runs = Runs(graph, timeout=settings.run_timeout_seconds)
    return create_app(settings, agent)
