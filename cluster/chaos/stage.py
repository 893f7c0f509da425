"""What rounds are played on: the seam between a round and the processes that it disturbs."""

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from cluster.chaos.disturbance import Disturbance
from cluster.person import Step
from sandbox.server.server import RunningSandbox


class Chatter(Protocol):
    """A person with a client that does not give up (`cluster.person`)."""

    name: str
    thread_id: str
    step: Step
    approvals: int
    seen: list[str]
    tokens: list[str]

    @property
    def waits(self) -> bool:
        """The run waits for an approval of this person."""
        ...

    async def ask(self, text: str) -> None:
        """Returns when the run has ended, or waits for an approval."""
        ...

    async def approve(self) -> None:
        """Approves what the run waits for. Returns as `ask` does."""
        ...

    async def stored(self) -> dict[str, Any]:
        """The conversation as it is stored, in the form of `GET /threads/{id}`. Raises `httpx.HTTPError`."""
        ...


class Stage(Protocol):
    """Processes with all that they share, running."""

    @property
    def sandbox(self) -> RunningSandbox:
        """The cloud of all processes."""
        ...

    def audit_logs(self) -> Sequence[Path]:
        """Those of all processes."""
        ...

    def people(self, names: Sequence[str]) -> AbstractAsyncContextManager[Sequence[Chatter]]:
        """Users of the sandbox, each with a client."""
        ...

    async def strike(
        self, disturbance: Disturbance, seed: int, aimed: Collection[str]
    ) -> Collection[str] | None:
        """Stops parts as a failure would, and starts them again. Where there is a choice, it is that which
        executes the runs of the threads `aimed`, or that of `seed`.

        Returns the threads whose runs were cut off, where only some are concerned; `None`: all are.
        """
        ...

    async def recovered(self) -> list[str]:
        """Waits until all parts respond; what does not respond."""
        ...
