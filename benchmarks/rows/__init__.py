"""The rows of the table, one module for each theme: a row is a function `row(bench) -> Iterable[Figure]`.

A new row is a function, and its name here. Begin at `chats`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_THEMES: Final = {
    "calls": ("calls",),
    "chats": (
        "ag_ui",
        "enterprise_chat",
        "langserve",
        "mcp_chat",
        "warm_chat",
        "warm_chat_http",
        "warm_stream",
    ),
    "conversations": ("conversations",),
    "governed_call": ("governed_call",),
    "human_users": ("human_users",),
    "identity": ("refusal", "sealing", "verification"),
    "labels": ("labels",),
    "latency": ("first_chunk", "first_requests", "real_latency", "tail"),
    "library": ("library",),
    "mcp_call": ("mcp_call",),
    "open_streams": ("open_streams",),
    "policy": ("policy",),
    "replicas": ("replicas",),
    "revocation": ("revocation",),
    "round_trips": ("round_trips",),
    "seams": ("seams",),
    "start": ("cold_start", "resident_memory"),
    "tracing": ("tracing",),
}
MODULES: Final[Mapping[str, str]] = MappingProxyType(
    dict(sorted((row, f"{__name__}.{theme}") for theme, rows in _THEMES.items() for row in rows))
)
"""The name of each row → its module. Modules are not imported before their row runs."""
