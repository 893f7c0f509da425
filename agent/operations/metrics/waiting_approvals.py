"""Counts the approvals that wait for a person, over all processes, now and then: it costs a request."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from identity.errors import AgentError
from identity.observation.metrics import Kind, Metrics, Values

_LOG: Final = logging.getLogger("idaas_agent.telemetry")
_COUNT_SECONDS: Final = 15.0


class WaitingApprovals:
    """The approvals of one agent that wait for a person."""

    def __init__(self, metrics: Metrics) -> None:
        self.count: Callable[[], Awaitable[int]] | None = None
        """Counts them; `None` if none are stored."""
        self.number: int | None = None
        """How many there were at the last count; `None` if they could not be counted."""
        metrics.observed(
            Kind.GAUGE,
            "idaas_agent.approvals.waiting",
            "Approvals that wait for a person",
            unit="{approval}",
            read=self._read,
            shared=True,
        )

    async def keep_counting(self, *, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        """Updates `number` now and then; ends at once if no approvals are stored.

        While they cannot be counted there is no number, because an old one would hide that.
        """
        while (count := self.count) is not None:
            try:
                self.number = await count()
            except Exception as error:  # noqa: BLE001 - the task must outlive it
                self.number = None
                if not isinstance(error, AgentError):
                    _LOG.error("approvals could not be counted: %s", type(error).__name__)
            await sleep(_COUNT_SECONDS)

    def _read(self) -> int | Values:
        return {} if self.number is None else self.number
