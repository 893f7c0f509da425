"""Growth of the cost of a chat with its size, and of many chats with their number, with plots."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, chat
from benchmarks.report.measurement import Figure, Plan, Series, at_most, interleave, series
from benchmarks.report.plot import Points, exponent, growth_chart
from benchmarks.servers.processes.process import ROOT, ServerProcess
from benchmarks.servers.processes.row_server import row_server

_IMAGES: Final = ROOT / "docs" / "images"
_MESSAGES: Final = (1, 10, 100, 300, 1000)
_TOOLS: Final = (2, 10, 50, 200)
_TOKENS: Final = (10, 100, 1000, 10_000)
_USERS: Final = (1, 10, 100, 1000, 10_000)
_LINEAR: Final = 1.1
"""The largest exponent that counts as linear: single rounds vary this much."""
_MAX_ROUNDS: Final = 3
_MIN_CHATS: Final = 3


@dataclass(frozen=True, slots=True)
class _Growth:
    """One measured dimension: milliseconds of processor time by size, a value for each round."""

    name: str
    x_label: str
    cost: str
    by_size: Mapping[int, Series]

    def figures(self) -> Iterator[Figure]:
        sizes = list(self.by_size)
        least, most = sizes[0], sizes[-1]
        first, last = self.by_size[least], self.by_size[most]
        yield Figure(f"{self.cost}, {most:,} {self.x_label}", "ms", last, f"{least:,}", first)
        before = self.by_size[sizes[-2]]
        slopes = [
            exponent([(sizes[-2], lower), (most, upper)])
            for lower, upper in zip(before.values, last.values, strict=True)
        ]
        name = f"exponent, {sizes[-2]:,} to {most:,} {self.x_label}"
        yield Figure(name, "", Series(tuple(slopes)), target=at_most(_LINEAR))

    def chart(self) -> str:
        points: Points = [(size, each.median) for size, each in self.by_size.items()]
        title = f"{self.cost[:1].upper()}{self.cost[1:]}"
        return growth_chart(points, title=title, x_label=self.x_label, y_label="ms of processor time")


def measure(bench: Bench) -> Iterator[Figure]:
    """Writes the plots to `docs/images`, except in quick mode."""
    for growth in (_messages(bench), _tools(bench), _answer(bench), _users(bench.plan)):
        chart = growth.chart()
        if not bench.plan.quick:
            (_IMAGES / f"growth-{growth.name}.svg").write_text(chart)
        yield from growth.figures()


def _agent(bench: Bench) -> ServerProcess:
    """An agent that accepts long conversations; in quick mode the agent of the other rows."""
    if bench.plan.quick:
        return bench.agent("Machine")
    return bench.agent("Machine", MAX_MESSAGES=str(max(_MESSAGES)))


def _messages(bench: Bench) -> _Growth:
    agent, token = _agent(bench), bench.access_token()

    def body(size: int) -> dict[str, Any]:
        """A conversation of `size` messages; the last one is the user's."""
        roles = ["assistant" if place % 2 else "user" for place in reversed(range(size))]
        return chat() | {"messages": [{"role": role, "content": "Say something."} for role in roles]}

    costs = _by_size(bench.plan, _MESSAGES, lambda size: _cost(bench.plan, agent, body(size), token))
    return _Growth("messages", "messages in the conversation", "a warm chat", costs)


def _tools(bench: Bench) -> _Growth:
    """One of the tools is the enterprise service's.

    Each number of tools needs its own agent, because an agent lists tools once. Quick mode uses one agent for
    all, because starting agents takes most of its time.
    """
    plan, token = bench.plan, bench.access_token()
    sizes = _TOOLS[:2] if plan.quick else _TOOLS
    with row_server("many_tools") as tools:
        urls = {size: f"{tools.url}/mcp/{sizes[0] if plan.quick else size - 1}" for size in sizes}
        agents = {size: bench.agent("Machine", EXTERNAL_SERVER_URL=url) for size, url in urls.items()}
        costs = _by_size(plan, sizes, lambda size: _cost(plan, agents[size], chat(), token))
        for agent in agents.values():
            bench.stop(agent)
    return _Growth("tools", "tools listed", "a warm chat", costs)


def _answer(bench: Bench) -> _Growth:
    plan, agent, token = bench.plan, _agent(bench), bench.access_token()

    def cost(size: int) -> float:
        return _cost(plan, agent, chat(f"tokens={size}", stream=True), token)

    return _Growth("answer", "tokens in the answer", "a warm stream", _by_size(plan, _TOKENS, cost))


def _users(plan: Plan) -> _Growth:
    """One round in one process: all users at once, each for the first time."""
    sizes = _USERS[:2] if plan.quick else _USERS
    command = [sys.executable, "-m", "benchmarks.concurrent_users", *map(str, sizes)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    costs = {size: series(took * 1000) for size, took in zip(sizes, json.loads(output), strict=True)}
    return _Growth("users", "users at once", "all runs", costs)


def _by_size(plan: Plan, sizes: Sequence[int], cost: Callable[[int], float]) -> dict[int, Series]:
    chosen = sizes[:2] if plan.quick else sizes
    runs = {str(size): lambda size=size: cost(size) for size in chosen}
    values = interleave(min(plan.rounds, _MAX_ROUNDS), runs)
    return {size: Series(tuple(values[str(size)])) for size in chosen}


def _cost(plan: Plan, server: ServerProcess, body: dict[str, Any], token: str) -> float:
    """Milliseconds of the server's processor time a chat; chats are sent one after another."""
    seconds, chats = min(plan.seconds, 0.7), 0
    with httpx.Client(trust_env=False, timeout=60, headers={"Authorization": f"Bearer {token}"}) as http:
        http.post(server.url + PATH, json=body).raise_for_status()
        before, end = server.cpu_seconds(), time.monotonic() + seconds
        while chats < _MIN_CHATS or time.monotonic() < end:
            http.post(server.url + PATH, json=body).raise_for_status()
            chats += 1
        return (server.cpu_seconds() - before) * 1000 / chats
