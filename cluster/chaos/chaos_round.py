"""One round: people begin to chat one after the other, and a part of the stage is struck meanwhile."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import httpx

from agent.operations.audit.verify import verify
from cluster.chaos.chaos_run import ChaosRound, ChaosRun
from cluster.chaos.stage import Chatter, Disturbance, Moment, Stage
from cluster.demonstration import QUESTIONS, faults_of
from cluster.person import Step

_BEGIN_SECONDS: Final = 3.0
"""Within so many seconds everybody begins."""
_DECIDE_SECONDS: Final = 3.0
"""Within so many seconds a person answers an approval."""
_MOST_SECONDS: Final = 120.0
_APPROVERS: Final = 2
_FIRST_LEAVE: Final = 77
"""Days from today; no sandbox user has leave of their own from there on."""
_COUNTED: Final = {
    "amap": "amap:tools/call",
    "enterprise": "function_compute:enterprise",
    "leave": "function_compute:leave_applied",
}
"""By service, the counter of the sandbox for calls of its tools."""
_EXECUTED: Final = frozenset({Step.THINKING, Step.CALLING, Step.ANSWERING, Step.APPROVING})
"""Steps at which a process executes the run."""


class AuditRecords:
    """Reads each log on from where it was read before."""

    def __init__(self, logs: Sequence[Path]) -> None:
        self._read = dict.fromkeys(logs, 0)

    def calls_begun(self) -> Counter[str]:
        """How many calls of tools have begun since the last time, by service."""
        begun: Counter[str] = Counter()
        for log, offset in self._read.items():
            if not log.exists():
                continue
            with log.open("rb") as lines:
                lines.seek(offset)
                for line in lines:
                    if b'"event":"tool_call","outcome":"started"' in line:
                        begun[str(json.loads(line)["service"])] += 1
                self._read[log] = lines.tell()
        return begun

    def findings(self) -> list[str]:
        """Of the verification of each log. A process that was killed only lacks its `audit_ended`."""
        return [str(each) for log in self._read for each in verify([log]).findings]


class ChaosRounds:
    """Plays rounds on one stage, one at a time. All chance is the seed's, but not all time."""

    def __init__(self, stage: Stage, names: Sequence[str], seed: int, today: date) -> None:
        """`names` have days of leave left: two of them apply for one in each round."""
        self._stage = stage
        self._names = names
        self._seed = seed
        self._today = today
        self._records = AuditRecords(stage.audit_logs())
        self.tokens: list[str] = []
        """The access tokens that were sent."""

    async def play(self, number: int, disturbance: Disturbance | None, moment: Moment) -> ChaosRound:
        """The strike is at `moment`. Returns when everybody has an answer, or has waited too long."""
        seed = self._seed * 1_000 + number
        chance = random.Random(seed)  # noqa: S311 - it is to be the same again
        counters = self._stage.sandbox.cloud.counters
        self._records.calls_begun()
        counters.reset()
        async with self._stage.people(_rotated(self._names, number)) as everybody:
            asked = _questions(everybody, _leave(number, self._today))
            begun = time.monotonic()
            chats = [
                asyncio.create_task(
                    _chat(person, text, begun, chance.uniform(0, _BEGIN_SECONDS), chance.random())
                )
                for person, text in asked.items()
            ]
            steps, struck, cut_off = dict.fromkeys(everybody, Step.ENDED), begun, None
            if disturbance is not None:
                aimed = await moment(everybody)
                steps, struck = {person: person.step for person in everybody}, time.monotonic()
                cut_off = await self._stage.strike(disturbance, seed, [each.thread_id for each in aimed])
            ended = dict(zip(everybody, await asyncio.gather(*chats), strict=True))
            findings = await self._stage.recovered() + await asyncio.to_thread(self._records.findings)
            runs = [
                ChaosRun(
                    person.name,
                    asked[person],
                    steps[person],
                    None if (at := ended[person]) is None else max(at - struck, 0.0),
                    person.approvals,
                    tuple(person.seen),
                    await _faults(person),
                    cut_off is None or person.thread_id in cut_off or steps[person] not in _EXECUTED,
                )
                for person in everybody
            ]
            self.tokens += [token for person in everybody for token in person.tokens]
        counted = counters.snapshot()
        requests = {service: counted.get(name, 0) for service, name in _COUNTED.items()}
        return ChaosRound(
            number, seed, disturbance, struck - begun, runs, requests, self._records.calls_begun(),
            counted.get("function_compute:leave_applied", 0), findings,
        )  # fmt: skip


async def _chat(person: Chatter, text: str, begun: float, later: float, hesitation: float) -> float | None:
    """When the person had the answer; `None` if that took too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_MOST_SECONDS):
            await asyncio.sleep(begun + later - time.monotonic())
            await person.ask(text)
            while person.waits:
                await asyncio.sleep(hesitation * _DECIDE_SECONDS)
                await person.approve()
            return time.monotonic()
    return None


async def _faults(person: Chatter) -> Sequence[str]:
    try:
        return faults_of(await person.stored())
    except httpx.HTTPError as error:
        return [f"the conversation cannot be read ({type(error).__name__})"]


def _rotated(names: Sequence[str], number: int) -> Sequence[str]:
    first = number * _APPROVERS % len(names)
    return [*names[first:], *names[:first]]


def _questions(everybody: Sequence[Chatter], leave: str) -> Mapping[Chatter, str]:
    others = everybody[_APPROVERS:]
    asked = dict.fromkeys(everybody[:_APPROVERS], leave)
    return asked | {person: QUESTIONS[n % len(QUESTIONS)] for n, person in enumerate(others)}


def _leave(number: int, today: date) -> str:
    """Asks for a working day that is another one in each round."""
    weeks, day = divmod(number, 5)
    monday = today + timedelta(_FIRST_LEAVE - today.weekday())
    return f"Apply for one day of leave on {monday + timedelta(weeks=weeks, days=day)}"
