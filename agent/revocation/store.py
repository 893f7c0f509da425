"""Where revocations are stored, so that they outlast a restart and reach every process."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from identity.revocation.revocation import Revocation


class StoreError(Exception):
    """The store cannot be read or written now. The text names the store and the failure, no secret."""


class RevocationStore(Protocol):
    """Stores revocations. The order in which several processes write does not matter."""

    async def put(self, revocations: Sequence[Revocation]) -> None:
        """Stores them, durably when it returns. Raises `StoreError`; storing them again has no effect."""
        ...

    def changes(self) -> AsyncGenerator[Sequence[Revocation]]:
        """The stored revocations, in any number of sequences; an empty sequence, when all were sent; then
        those that any process stores, without end.

        Raises `StoreError`; then iterate a new generator.
        """
        ...

    async def aclose(self) -> None:
        """Closes connections."""
        ...
