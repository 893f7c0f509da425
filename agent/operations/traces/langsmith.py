"""Tracing by LangSmith: only if `AGENT_TRACING` enables it.

LangChain and LangSmith read the environment themselves. With `LANGSMITH_TRACING=true` they send questions and
answers to LangSmith; with the obsolete `LANGCHAIN_TRACING` alone LangChain fails every run.
"""

import os
from typing import Final

import langsmith

_FATAL: Final = ("LANGCHAIN_TRACING", "LANGCHAIN_HANDLER")
"""LangChain refuses to run while one of these is set and nothing is traced."""


def trace_by_default(traced: bool) -> None:
    """Sets, in place of the environment, whether LangChain traces the runs of this process.

    It does not affect the runs of `agent.runs`, which set tracing for each run.
    """
    for name in _FATAL:
        os.environ.pop(name, None)
    langsmith.configure(enabled=traced)
