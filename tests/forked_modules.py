"""Imports the modules of the programs that tests fork, for `tests.forked`."""

import importlib

from agent.http.memory import frozen_startup_objects

_MODULES = (
    "agent.api.app",
    "agent.commands.command_line",
    "agent.commands.serve",
    "benchmarks.peers.bare_langserve",
    "sandbox.control",
    "sandbox.server.server",
    "uvicorn.main",
    "uvloop",
)

with frozen_startup_objects():
    for name in _MODULES:
        importlib.import_module(name)
