"""How a failure is named in measures and spans: by its code, never by a text."""

import asyncio
from typing import Final

from identity.errors import AgentError
from identity.observation.measures import OTHER

SUCCESS: Final = ""
"""No failure. Prometheus treats an empty label as an absent one."""
CANCELLED: Final = "cancelled"
"""The work was cancelled: its caller has left, or the agent is stopping."""


def error_type(error: BaseException | None) -> str:
    """The code of `error`, `CANCELLED`, `OTHER` for an exception without a code, or `SUCCESS`."""
    match error:
        case None:
            return SUCCESS
        case AgentError():
            return error.code.value
        case asyncio.CancelledError():
            return CANCELLED
        case _:
            return OTHER
