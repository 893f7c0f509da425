"""LangGraph's unpublished names that are read here, all of them, and with which versions.

LangGraph keeps the task that runs in its configuration: the saved state from which it runs, the answers that
have come. No public function returns these. A version is known when the tests of `tests/library` have passed
with it: they did with the first, with the last of each lock file, and with some between. Any other one is
refused when this file is imported, rather than misread at a call.
"""

from dataclasses import fields
from importlib.metadata import version
from typing import Final, NoReturn

KNOWN: Final = ">=1.2.15,<1.3"
"""The versions of LangGraph, as the requirements of the distribution have them."""
_FIRST: Final = (1, 2, 15)


_ANOTHER_WAY: Final = ", which keeps the task that runs in another way"


def _refuse(why: str = "") -> NoReturn:
    """Raises `ImportError`, which says what to install."""
    raise ImportError(f"idaas-agent needs langgraph{KNOWN}, and finds langgraph {version('langgraph')}{why}")


def _is_known(found: str) -> bool:
    """Whether it is a version from the first one on with the same minor number."""
    numbers = tuple(int(part) for part in found.split(".")[:3] if part.isdecimal())
    return numbers[:2] == _FIRST[:2] and numbers >= _FIRST


if not _is_known(version("langgraph")):
    _refuse()
try:
    from langgraph._internal._constants import (
        CONFIG_KEY_CHECKPOINT_NS,
        CONFIG_KEY_CHECKPOINTER,
        CONFIG_KEY_READ,
        CONFIG_KEY_RUNTIME,
        CONFIG_KEY_SCRATCHPAD,
        CONFIG_KEY_TASK_ID,
        CONFIG_KEY_THREAD_ID,
        INTERRUPT,
        RESUME,
    )
    from langgraph._internal._scratchpad import PregelScratchpad
    from langgraph.prebuilt.tool_node import _get_all_injected_args as injected_arguments
except ImportError:
    _refuse(_ANOTHER_WAY)
if not {"resume", "get_null_resume"} <= {member.name for member in fields(PregelScratchpad)}:
    _refuse(_ANOTHER_WAY)

__all__ = [
    "CONFIG_KEY_CHECKPOINTER",
    "CONFIG_KEY_CHECKPOINT_NS",
    "CONFIG_KEY_READ",
    "CONFIG_KEY_RUNTIME",
    "CONFIG_KEY_SCRATCHPAD",
    "CONFIG_KEY_TASK_ID",
    "CONFIG_KEY_THREAD_ID",
    "INTERRUPT",
    "RESUME",
    "injected_arguments",
]
