"""The seam to a secret or key that may be replaced while the agent runs."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class SecretSource(Protocol[T_co]):
    """A secret, a key or another credential of the agent itself. Neither method blocks the event loop."""

    async def current(self) -> T_co:
        """The value to present now. Raises `UnreachableError` if there is none."""

    async def renew(self, refused: object) -> bool:
        """Whether `current` now gives another value than `refused`, which the server did not accept."""


@dataclass(frozen=True, slots=True)
class FixedSecret(Generic[T]):
    """A `SecretSource` whose value never changes, such as that of an environment variable."""

    value: T

    async def current(self) -> T:
        return self.value

    async def renew(self, refused: object) -> bool:
        return self.value != refused
