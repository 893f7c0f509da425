"""Other models of an agent's provider, which the graph that GRAPH names asks for by name."""

import asyncio
from collections.abc import Callable
from typing import Final

from graph.models.provider import ModelProvider


class NamedModels:
    """One provider for each name, made by `make` when it is first asked for."""

    def __init__(self, make: Callable[[str], ModelProvider]) -> None:
        self._make: Final = make
        self._made: Final[dict[str, ModelProvider]] = {}

    def of(self, name: str) -> ModelProvider:
        """The provider of the model `name`. It is closed with the agent."""
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    async def aclose(self) -> None:
        """Closes all connections."""
        await asyncio.gather(*(model.aclose() for model in self._made.values()))
