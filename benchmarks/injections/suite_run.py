"""All runs of one suite, by one agent: `python -m benchmarks.injections.suite_run SUITE VARIANT EVERY OUT`.

`EVERY` is 1 for all pairs, and n for each n-th. The outcomes that `OUT` has are not made again.
"""

import asyncio
import logging
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.injections.agent_under_test import AgentUser, agent_under_test
from benchmarks.injections.delegating_graph import graph_variable
from benchmarks.injections.kept_outcomes import KeptOutcomes, left
from benchmarks.injections.obedient_model import Form, ObedientModel, Order
from benchmarks.injections.outcome import Manner, consequential_tools, outcome_of
from benchmarks.injections.policies import LOOSER, PUBLISHED, services_text
from benchmarks.injections.progress import Progress
from benchmarks.injections.suites import Case, harmless, pairs

_USERS: Final = 8
"""Runs at the same time: while one waits for the database, another goes on."""
WITHOUT_ATTACK: Final = (Manner("attentive"), Manner("attentive", together=True), Manner("absent"))
UNDER_ATTACK: Final = (
    *(Manner("absent", order) for order in Order),
    *(Manner("attentive", order) for order in (Order.LAST, Order.FIRST)),
    *(Manner("absent", Order.ALONE, form) for form in Form if form is not Form.PLAIN),
    Manner("credulous", Order.ALONE),
    Manner("credulous", Order.ALONE, Form.DELEGATED),
)
COMPARED: Final = (Manner("absent"), Manner("absent", Order.FIRST))
"""The manners in which other policies are compared with the one that is published."""


def _manners(variant: str) -> tuple[Sequence[Manner], Sequence[Manner]]:
    """How cases are run without an attack, and under one."""
    if variant == PUBLISHED:
        return WITHOUT_ATTACK, UNDER_ATTACK
    return WITHOUT_ATTACK[:1], COMPARED if variant in LOOSER else ()


def runs(suite: str, variant: str, every: int) -> Iterator[tuple[Case, Manner]]:
    """Each case in each manner."""
    without_attack, under_attack = _manners(variant)
    yield from ((case, manner) for case in harmless(suite) for manner in without_attack)
    yield from ((case, manner) for case in [*pairs(suite)][::every] for manner in under_attack)


async def measure(suite: str, variant: str, every: int, folder: Path, kept: KeptOutcomes) -> None:
    """Makes the runs whose outcomes are not kept yet."""
    services = folder / "services.toml"
    services.write_text(services_text(suite, variant), encoding="utf-8")
    model = ObedientModel()
    consequential = consequential_tools(services_text(suite, PUBLISHED))
    planned = [*runs(suite, variant, every)]
    progress = Progress(f"{suite}, {variant}", len(planned))
    made = kept.begin()
    progress.add(len(made))

    async def work(user: AgentUser, waiting: Iterator[tuple[Case, Manner]]) -> None:
        for case, manner in waiting:
            kept.add(await outcome_of(user, model, case, manner, consequential))
            progress.add(1)

    remaining = [*left(planned, made)]
    delegated = [run for run in remaining if run[1].form is Form.DELEGATED]
    others = [run for run in remaining if run[1].form is not Form.DELEGATED]
    graph = graph_variable(folder, services)
    for name, chosen, variables in (("agent", others, {}), ("delegating", delegated, {"GRAPH": graph})):
        of_agent = folder / name
        of_agent.mkdir()
        waiting = iter(chosen)
        async with agent_under_test(of_agent, services, model, _USERS, **variables) as users:
            await asyncio.gather(*(work(user, waiting) for user in users))


def main(suite: str, variant: str, every: str, out: str) -> None:
    """Adds the outcomes to the file `out`."""
    logging.basicConfig(level=logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="injections-") as folder:
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(
            measure(suite, variant, int(every), Path(folder), KeptOutcomes(Path(out)))
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
