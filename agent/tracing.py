"""Tracing by LangSmith: only where `AGENT_TRACING` asks for it.

LangChain and LangSmith read the environment themselves. With `LANGSMITH_TRACING=true` they send questions and
answers away; with the outdated `LANGCHAIN_TRACING` alone LangChain fails every run.
"""

import os
from enum import StrEnum
from typing import Final

import langsmith


class Tracing(StrEnum):
    """Who is sent the runs."""

    OFF = "off"
    LANGSMITH = "langsmith"


_FATAL: Final = ("LANGCHAIN_TRACING", "LANGCHAIN_HANDLER")
"""LangChain refuses to run while one of these is set and nothing is traced."""


def trace_by_default(traced: bool) -> None:
    """Decides, in place of the environment, whether LangChain traces what is run in this process.

    The runs of `agent.run` are not concerned: each says for itself whether it is traced.
    """
    for name in _FATAL:
        os.environ.pop(name, None)
    langsmith.configure(enabled=traced)
