"""How an error names the node of the graph that it is about."""

from typing import Final, TypeVar

from identity.errors import AgentError

E = TypeVar("E", bound=AgentError)

MODEL: Final = "model"
"""The model's node, and the name of its key among the credentials."""


def error_of_node(error: E, node: str) -> E:
    """A copy of `error` about `node`: the model, or the service of that name."""
    return error.of(node, title="the language model" if node == MODEL else None)
