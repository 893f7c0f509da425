"""When a round is struck."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from cluster.chaos.stage import Chatter
from cluster.person import Step

Moment: TypeAlias = Callable[[Sequence[Chatter]], Awaitable[Sequence[Chatter]]]
"""Returns at the moment of the strike, while these people chat: those at whom it aims, if at any."""

_TICK: Final = 0.01
_PATIENCE: Final = 2.0
"""Seconds after which one chat at a step is enough."""


def after(seconds: float) -> Moment:
    """So long after the beginning."""

    async def moment(_: Sequence[Chatter]) -> Sequence[Chatter]:
        await asyncio.sleep(seconds)
        return []

    return moment


def at(step: Step, later: float) -> Moment:
    """When two chats have been at `step` for `later` seconds, or one has and more do not come.

    Also when all have ended: then a round strikes nothing.
    """

    async def moment(people: Sequence[Chatter]) -> Sequence[Chatter]:
        enough, loop = 2, asyncio.get_running_loop()
        patient_until = loop.time() + _PATIENCE
        while any(person.step is not Step.ENDED for person in people):
            if sum(person.step is step for person in people) >= enough:
                await asyncio.sleep(later)
                if there := [person for person in people if person.step is step]:
                    return there
            if loop.time() > patient_until:
                enough = 1
            await asyncio.sleep(_TICK)  # clients say at which step they are, and do not report it
        return []

    return moment
