"""The state that LangChain's middleware keeps between the responses of a run (`graph.nodes.middleware`)."""

from typing import Any

from typing_extensions import TypedDict  # as `graph.state`


class HookedState(TypedDict, total=False):
    """The part of a run's state that is middleware's own."""

    hooked: dict[str, Any]
    """The values of the keys of middleware, which are JSON."""
