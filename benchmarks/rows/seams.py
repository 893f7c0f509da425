"""Seams of the core beside the same work written out: steps of a call, policies, surfaces, commands."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import typer
from fastapi import APIRouter

from agent.api.app import CORE
from agent.api.surface import Surface, Surfaces, installed_surfaces
from agent.commands.command_line import app, common
from agent.commands.serve import serve
from benchmarks.bench import Bench
from benchmarks.micro import RowCases, Timed, micro, timed, timed_async
from benchmarks.report import Figure, at_most
from graph.approvals.policies import Policies
from graph.approvals.policy import Allow, CallPolicy, Facts
from graph.call_steps.call import in_steps

_STEPS: Final = 9
"""As many steps as surround a call of a service's tool (`graph.nodes.service`)."""
_ANY: Final[Any] = None
"""A call, a caller, an agent: the work of a seam itself looks at none of them."""
_REQUEST: Final = {"method": "POST", "path": "/openai/v1/chat/completions"}
_FACTS: Final = Facts()


async def _step(call: Any, proceed: Any) -> Any:
    return await proceed(call)


async def _last(call: Any) -> Any:
    return call


def _steps() -> Timed:
    chain = in_steps([_step] * _STEPS, _last)
    return timed_async(lambda: chain(_ANY))


def _nested(depth: int) -> Any:
    """Functions that call each other: `depth` of them, and the last one."""
    if not depth:
        return _last
    proceed = _nested(depth - 1)

    async def nested(call: Any) -> Any:
        return await proceed(call)

    return nested


def _steps_floor() -> Timed:
    nested = _nested(_STEPS)
    return timed_async(lambda: nested(_ANY))


class _Permissive:
    """A `CallPolicy` that allows each call."""

    def __init__(self) -> None:
        self._allow = Allow()

    def decides(self, *_: object) -> bool:
        return False

    async def decide(self, *_: object) -> Allow:
        return self._allow

    async def forecast(self, *_: object) -> Allow:
        return self._allow


_POLICIES: Final[Sequence[CallPolicy]] = [_Permissive(), _Permissive(), _Permissive()]


def _policies() -> Timed:
    policies = Policies(_POLICIES)
    return timed_async(lambda: policies.decide(_ANY, _ANY, _FACTS))


def _policies_floor() -> Timed:
    first, second, third = _POLICIES

    async def decide() -> object:
        so_far = Allow()
        for decision in (
            await first.decide(_ANY, _ANY, _FACTS, so_far),
            await second.decide(_ANY, _ANY, _FACTS, so_far),
            await third.decide(_ANY, _ANY, _FACTS, so_far),
        ):
            if not isinstance(decision, Allow):
                return decision
        return so_far

    return timed_async(decide)


def _declared() -> Surfaces:
    """The declarations of all installed surfaces, without their routes, which FastAPI finds."""
    no_paths: dict[str, Any] = dict.fromkeys(("public_paths", "signed_paths", "cached_paths"), frozenset())
    surfaces: list[Surface] = [
        replace(surface, routes=lambda _: APIRouter(), **no_paths)
        for surface in (*CORE, *installed_surfaces(None))
    ]
    return Surfaces(surfaces, _ANY)


def _surfaces() -> Timed:
    surfaces = _declared()

    def asked() -> None:
        surfaces.is_poll(_REQUEST)
        surfaces.starts_run(_REQUEST)

    return timed(asked)


def _surfaces_floor() -> Timed:
    polled = {"/approvals"}
    starting = {"/openai/v1/chat/completions", "/ag-ui/agent"}

    def is_poll(scope: dict[str, str]) -> bool:
        return scope["path"] in polled and scope["method"] == "GET"

    def starts_run(scope: dict[str, str]) -> bool:
        return scope["method"] == "POST" and scope["path"] in starting

    def asked() -> None:
        is_poll(_REQUEST)
        starts_run(_REQUEST)

    return timed(asked)


def _command() -> Timed:
    commands: Any = typer.main.get_command(app)
    return timed(lambda: commands.get_command(_ANY, "serve"))


def _command_floor() -> Timed:
    def made() -> None:
        parent = typer.Typer(add_completion=False)
        parent.callback()(common)
        parent.command("serve")(serve)
        typer.main.get_group(parent)

    return timed(made)


CASES: RowCases = {
    "seams": {
        "steps": _steps,
        "steps, floor": _steps_floor,
        "policies": _policies,
        "policies, floor": _policies_floor,
        "surfaces": _surfaces,
        "surfaces, floor": _surfaces_floor,
        "command": _command,
        "command, floor": _command_floor,
    }
}


def seams(bench: Bench) -> Iterable[Figure]:
    """The price of a list in place of code that names each part: what the parts do is not in it."""
    times = micro("seams", bench.plan)
    compared = {
        "steps": (f"a call through {_STEPS} steps that do nothing", "functions that call each other"),
        "policies": ("a decision by 3 policies that allow", "the 3 calls written out"),
        "surfaces": ("a request, asked of all installed surfaces", "two sets of paths"),
    }
    for name, (figure, floor) in compared.items():
        reference = times[f"{name}, floor"]
        yield Figure(figure, "µs", times[name], floor, reference, at_most(20.0, absolute=True))
    figure = "a typed command, found among all installed ones"
    reference = times["command, floor"]
    yield Figure(figure, "µs", times["command"], "the only command of a program", reference)
