"""The parts of a warm chat, in calls of functions: `python -m benchmarks.calls [chat|stream|mcp|enterprise]`.

Calls are the same on every machine, and beside any other work. A part is a package of this repository, a
library, or Python with its own modules. A function without a file, such as one of an extension, counts for
the part that calls it, and a coroutine for each time that it goes on.
"""

import argparse
import pstats
import sysconfig
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from benchmarks.bench import Bench, ProfiledServer
from benchmarks.load import PATH, chat, send_sequentially
from benchmarks.processes import ROOT
from benchmarks.report import FULL, Plan

CHATS: Final[Mapping[str, tuple[dict[str, Any], str]]] = {
    "chat": (chat(), ""),
    "stream": (chat(stream=True), ""),
    "mcp": (chat("What is the weather in Hangzhou right now?"), "/mcp"),
    "enterprise": (chat("Call my enterprise service."), "/enterprise"),
}
"""The body of each chat, and where the bare agent has it."""
OWN: Final = ("agent", "graph", "http1", "idaas_agent", "identity", "plugins", "tools")
"""The parts that are packages of this repository."""
_LIBRARIES: Final = Path(sysconfig.get_path("purelib"))
_PYTHON: Final = "Python"
_WARM: Final = 10
"""Chats before those that are counted, and as many requests that import what is imported late."""
_COUNTED: Final = 50
_QUICK: Final = 2

_Function: TypeAlias = tuple[str, int, str]
"""The file, the line and the name."""


@dataclass(slots=True)
class Part:
    """What one chat does in a part: calls of its functions, and milliseconds in them alone, which cProfile
    makes longer, by the same for each call.
    """

    calls: float = 0.0
    milliseconds: float = 0.0


Parts: TypeAlias = Mapping[str, Part]
"""By their names."""


def parts(bench: Bench, name: str) -> tuple[Parts, Parts]:
    """The parts of the chat of that name: of the agent under Machine identity, and of the bare one."""
    body, path = CHATS[name]
    agent = _parts(bench.plan, bench.profiled("agent"), PATH, body, bench.access_token())
    return agent, _parts(bench.plan, bench.profiled("bare"), f"{path}/chat/completions", body, "static")


def calls(parts: Parts, names: Sequence[str] | None = None) -> float:
    """The calls in the parts of these names; without names, in all."""
    return sum(part.calls for name, part in parts.items() if names is None or name in names)


def _parts(plan: Plan, server: ProfiledServer, path: str, body: dict[str, Any], token: str) -> Parts:
    number = _QUICK if plan.quick else _COUNTED
    send_sequentially(server.process, path, body, [token] * (_QUICK if plan.quick else _WARM))
    with server.profile():
        send_sequentially(server.process, path, body, [token] * number)
    counted: defaultdict[str, Part] = defaultdict(Part)
    stats: Any = pstats.Stats(str(server.file))
    for function, (_, made, seconds, _, callers) in stats.stats.items():
        if _has_file(function):
            _add(counted[_part_of(function)], made / number, seconds / number)
            continue
        for caller, (made_by, _, seconds_by, _) in callers.items():
            _add(counted[_part_of(caller)], made_by / number, seconds_by / number)
    return counted


def _add(part: Part, made: float, seconds: float) -> None:
    part.calls += made
    part.milliseconds += seconds * 1000


def _has_file(function: _Function) -> bool:
    return function[0].startswith("/")


def _part_of(function: _Function) -> str:
    file = Path(function[0])
    if file.is_relative_to(_LIBRARIES):
        return file.relative_to(_LIBRARIES).parts[0].removesuffix(".py")
    if file.is_relative_to(ROOT):
        return file.relative_to(ROOT).parts[0]
    return _PYTHON


_HEAD: Final = (
    "| part | calls | share | ms | bare: calls | share | ms |",
    "|---|---:|---:|---:|---:|---:|---:|",
)


def table(agent: Parts, bare: Parts) -> list[str]:
    """Lines of a table in Markdown: this repository's parts, then the others; those with most calls first."""

    def order(name: str) -> tuple[bool, float]:
        most = max(_part(agent, name).calls, _part(bare, name).calls)
        return name not in OWN, -most

    lines = [
        f"| {name} | {_cells(agent, name)} | {_cells(bare, name)} |"
        for name in sorted(agent.keys() | bare.keys(), key=order)
    ]
    return [*_HEAD, *lines, f"| all | {calls(agent):,.0f} | | | {calls(bare):,.0f} | | |"]


def _cells(parts: Parts, name: str) -> str:
    part = _part(parts, name)
    return f"{part.calls:,.0f} | {part.calls / calls(parts):.1%} | {part.milliseconds:.2f}"


def _part(parts: Parts, name: str) -> Part:
    return parts.get(name, Part())


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the parts of a chat beside those of an agent without identity."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description="The parts of a chat.")
    parser.add_argument("chat", nargs="?", choices=list(CHATS), default="chat")
    with Bench(FULL) as bench:
        print(*table(*parts(bench, parser.parse_args(arguments).chat)), sep="\n")


if __name__ == "__main__":
    main()
