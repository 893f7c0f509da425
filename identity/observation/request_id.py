"""The id of the request that is being served: in its response, its log lines and its audit events."""

from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("idaas_agent.request_id", default=None)
"""The id of the request that is being served. A task that starts in an empty context must set it again."""
