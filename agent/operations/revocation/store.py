"""Where revocations are stored, so that they outlast a restart and reach every process."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from identity.access_token.revocation import Revocation


class StoreError(Exception):
    """The store cannot be read or written now. The text names the store and the failure, no secret."""


class RevocationStore(Protocol):
    """Stores revocations. The order in which several processes write does not matter."""

    @property
    def name(self) -> str:
        """The store, for operators."""

    @property
    def lasts(self) -> bool:
        """Its content outlasts a restart of its server and of the agent. Else it only announces."""

    @property
    def shared(self) -> bool:
        """All processes of the agent have the same one; else each machine has its own."""

    async def put(self, revocations: Sequence[Revocation]) -> None:
        """Stores them, durably when it returns. Raises `StoreError`; storing them again has no effect."""

    def changes(self) -> AsyncGenerator[Sequence[Revocation]]:
        """The stored revocations, in any number of sequences; an empty sequence, when all were sent; then
        those that any process stores.

        Ends when the store was emptied or replaced, and raises `StoreError` when it fails; then iterate a
        new generator.
        """

    async def remove(self, revocations: Sequence[Revocation]) -> None:
        """Removes them, unless a later one of the same key has replaced them. Raises `StoreError`."""

    async def aclose(self) -> None:
        """Closes connections."""
