"""The whole agent with an instant model in its process, which leaves the cost of the agent itself."""

import os

from fastapi import FastAPI

from agent.api.app import create_app
from agent.composition.agent import Agent
from agent.http.memory import frozen_startup_objects
from agent.operations.log_setup import set_up_logging
from agent.settings.settings import read_settings
from benchmarks.servers.instant_model import InstantModel
from graph.models.provider import ChatModelProvider


def app() -> FastAPI:
    """The production application with `InstantModel`."""
    set_up_logging()
    settings = read_settings(os.environ)
    with frozen_startup_objects():
        return create_app(settings, Agent(settings, model=ChatModelProvider(InstantModel())))
