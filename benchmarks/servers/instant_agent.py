"""The whole agent with an instant model in its process, which leaves the cost of the agent itself."""

import os

from fastapi import FastAPI

from agent import composition
from agent.api.app import create_app
from agent.middleware.request_log import set_up_logging
from agent.server.garbage_collection import freeze_startup_objects
from agent.settings.variables import read_settings
from benchmarks.servers.instant_model import InstantModel


def app() -> FastAPI:
    """The production application with `InstantModel`."""
    set_up_logging()
    # The one place where the model is chosen; everything else is unchanged.
    composition.qwen_chat = lambda **_: InstantModel()  # type: ignore[assignment]
    server = create_app(read_settings(os.environ))
    freeze_startup_objects()
    return server
