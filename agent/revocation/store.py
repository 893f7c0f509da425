"""Where revocations are kept, so that a restart does not forget them and every process learns of them."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from identity.revocation.revocation import Revocation


class StoreError(Exception):
    """The store cannot be read or written now. The text names the store and the failure, no secret."""


class RevocationStore(Protocol):
    """Keeps revocations. The order in which several processes write does not matter."""

    async def put(self, revocations: Sequence[Revocation]) -> None:
        """Keeps them, durably when it returns. Raises `StoreError`; putting them again is harmless."""
        ...

    def changes(self) -> AsyncGenerator[Sequence[Revocation]]:
        """What is kept, first; then whatever any process puts, as it comes, without end.

        Raises `StoreError`; iterate a new generator then.
        """
        ...

    async def aclose(self) -> None:
        """Closes connections."""
        ...
