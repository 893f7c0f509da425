"""Counts one response of the model for its budgets, whether it arrives whole, fails or is cancelled."""

import asyncio
import logging
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from langchain_core.messages.ai import UsageMetadata

from graph.models.arrived import ARRIVED, Arrived
from graph.models.budget import ModelBudget, Reservation
from graph.notices import unheard
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, ServiceError

_LOG: Final = logging.getLogger("idaas_agent.budgets")
MAX_TOKENS: Final = 10**9
"""Of a response, in or out, as counted."""
_CHARACTERS_PER_TOKEN: Final = 4
_NOTHING: Final = UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
_SETTLING: Final[set[asyncio.Task[None]]] = set()
"""Keeps what is being written for responses whose tasks were cancelled: the event loop does not."""


class CountedResponse:
    """`async with` around the request for a response whose prompt and tools have so many `characters`.

    Guaranteed: the prompt is counted by its estimate before the request, and what the response has used when
    the block ends, before what the block raises or returns goes on; also if the task is cancelled, twice too.
    Raises as `ModelBudget` and `Reservation` do; a block that raises keeps its own error, and what was
    reserved stays counted.
    """

    def __init__(
        self, budgets: Sequence[ModelBudget], caller: VerifiedAccessToken, model: str, characters: int
    ) -> None:
        self._budgets = budgets
        self._caller = caller
        self._model = model
        self._sent = tokens_of(characters)
        self._reservations: list[Reservation] = []
        self.arrived: Final = Arrived()

    async def __aenter__(self) -> Self:
        try:
            for budget in self._budgets:
                self._reservations.append(await budget.reserve(self._caller, self._model, self._sent))
        except BaseException:
            await self._settle_quietly(_NOTHING)
            raise
        self._before = ARRIVED.set(self.arrived)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        ARRIVED.reset(self._before)
        if error is None:
            await self._settled(self._used())
        elif self._was_refused(error):
            await self._settle_quietly(_NOTHING)
        else:
            await self._settle_quietly(self._used())

    def _used(self) -> UsageMetadata:
        """The use that the service reports; else an estimate by characters."""
        reported = bounded_usage(self.arrived.usage)
        if reported is not None and reported["total_tokens"]:
            return reported
        written = tokens_of(self.arrived.characters) if self.arrived.characters else 0
        return UsageMetadata(
            input_tokens=self._sent, output_tokens=written, total_tokens=self._sent + written
        )

    def _was_refused(self, error: BaseException) -> bool:
        """Whether the service has certainly written nothing: it was not reached, or responded with a status
        of failure.
        """
        if self.arrived.characters or self.arrived.usage:
            return False
        return self.arrived.unsent or (isinstance(error, ServiceError) and error.status is not None)

    async def _settled(self, used: UsageMetadata) -> None:
        if not self._reservations:
            return
        settling = asyncio.create_task(self._settle(used))
        _SETTLING.add(settling)
        settling.add_done_callback(_SETTLING.discard)
        await asyncio.shield(settling)

    async def _settle(self, used: UsageMetadata) -> None:
        for reservation in self._reservations:
            await reservation.settle(used)

    async def _settle_quietly(self, used: UsageMetadata) -> None:
        """For a response that has failed, of which nothing is told."""
        try:
            with unheard():
                await self._settled(used)
        except AgentError as failure:
            _LOG.error("what a response has used stays counted as reserved: %s", failure.detail)


def tokens_of(characters: int) -> int:
    """An estimate: one for four characters, at least 1."""
    return min(1 + characters // _CHARACTERS_PER_TOKEN, MAX_TOKENS)


def bounded_usage(used: UsageMetadata | None) -> UsageMetadata | None:
    """The tokens that the model service reports, each count within 0 and `MAX_TOKENS`: the service may be
    wrong, and a negative count would give a budget back.
    """
    if used is None:
        return None
    sent, written = bounded(used["input_tokens"]), bounded(used["output_tokens"])
    in_bounds: UsageMetadata = {
        **used,
        "input_tokens": sent,
        "output_tokens": written,
        "total_tokens": sent + written,
    }
    return in_bounds


def bounded(tokens: int) -> int:
    """A count within 0 and `MAX_TOKENS`."""
    return min(max(tokens, 0), MAX_TOKENS)
