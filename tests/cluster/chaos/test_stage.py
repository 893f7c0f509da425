"""A round strikes when chats are at the step at which it aims."""

import asyncio
from typing import Any

from cluster.chaos.stage import at
from cluster.person import Step


class Chat:
    def __init__(self, step: Step) -> None:
        self.step = step


async def test_moment_comes_when_two_chats_are_at_the_step() -> None:
    people: Any = [Chat(Step.CALLING), Chat(Step.THINKING), Chat(Step.THINKING)]
    moment = asyncio.create_task(at(Step.CALLING, 0)(people))
    await asyncio.sleep(0)
    assert not moment.done()
    people[1].step = Step.CALLING
    assert await moment == people[:2]


async def test_moment_comes_when_all_chats_have_ended() -> None:
    people: Any = [Chat(Step.ENDED), Chat(Step.ENDED)]
    assert await at(Step.CALLING, 0)(people) == []
