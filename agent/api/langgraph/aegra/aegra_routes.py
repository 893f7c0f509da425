"""The routes of Aegra that verified callers may request: an allow-list.

Closed are those that write a state, delete runs, change assistants, and set up schedules, the store, the
deletion of expired threads, and the pages of the documentation.
"""

import re
from typing import Final

from starlette.types import Scope

PUBLIC: Final = frozenset({"/ok", "/live"})
"""Liveness of the process."""

ROUTES: Final = (
    "GET /assistants",
    "POST /assistants/search",
    "POST /assistants/count",
    "GET /assistants/{assistant_id}",
    "GET /assistants/{assistant_id}/graph",
    "GET /assistants/{assistant_id}/schemas",
    "GET /assistants/{assistant_id}/subgraphs",
    "POST /assistants/{assistant_id}/versions",
    "GET /threads",
    "POST /threads",
    "POST /threads/search",
    "GET /threads/{thread_id}",
    "PATCH /threads/{thread_id}",
    "DELETE /threads/{thread_id}",
    "GET /threads/{thread_id}/state",
    "GET /threads/{thread_id}/state/{checkpoint_id}",
    "POST /threads/{thread_id}/state/checkpoint",
    "GET /threads/{thread_id}/history",
    "POST /threads/{thread_id}/history",
    "GET /threads/{thread_id}/runs",
    "POST /threads/{thread_id}/runs",
    "POST /threads/{thread_id}/runs/stream",
    "POST /threads/{thread_id}/runs/wait",
    "GET /threads/{thread_id}/runs/{run_id}",
    "GET /threads/{thread_id}/runs/{run_id}/join",
    "GET /threads/{thread_id}/runs/{run_id}/stream",
    "POST /threads/{thread_id}/runs/{run_id}/cancel",
    "POST /threads/{thread_id}/commands",
    "POST /threads/{thread_id}/stream/events",
    "POST /runs",
    "POST /runs/stream",
    "POST /runs/wait",
    "POST /runs/cancel",
)

_ALLOWED: Final = re.compile("|".join(re.sub(r"\{\w+\}", "[^/]+", route) for route in ROUTES))


def allows(scope: Scope) -> bool:
    """Whether the request is for one of the routes. Not checked: whose thread or run it is."""
    return _ALLOWED.fullmatch(f"{scope['method']} {scope['path']}") is not None
