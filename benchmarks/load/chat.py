"""What load rows share: a chat request, and the comparison of the rates at which two servers handle it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.load.loaded_server import LoadedServer
from benchmarks.load.wrk import CONNECTIONS, Load, load, send_few
from benchmarks.report.measurement import Figure, Plan, Target, interleave, series_of

PATH = "/openai/v1/chat/completions"


def chat(question: str = "Say something.", *, stream: bool = False) -> dict[str, Any]:
    """The body of a chat completion."""
    return {"model": "qwen-plus", "messages": [{"role": "user", "content": question}], "stream": stream}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is put under load. Peers do not check the token."""

    server: LoadedServer
    path: str
    body: dict[str, Any]
    tokens: Sequence[str] = ("static",)
    threads: int = 0
    """On how many stored conversations; 0: without."""
    connections: int = CONNECTIONS

    def run_load(self, plan: Plan) -> Load:
        """One round of load."""
        if plan.quick:
            return send_few(self.server, self.path, self.body, self.tokens, threads=self.threads)
        return load(
            self.server,
            self.path,
            self.body,
            seconds=plan.seconds,
            tokens=self.tokens,
            threads=self.threads,
            connections=self.connections,
        )


def compare_at_loads(
    plan: Plan, agent: Endpoint, peer: Endpoint, *, name: str, target: Target
) -> Iterator[Figure]:
    """`compare` with few and with many connections."""
    for number in (16,) if plan.quick else (16, 64):
        endpoints = replace(agent, connections=number), replace(peer, connections=number)
        yield from compare(plan, *endpoints, name=name, target=target, label=f"{number} connections, ")


def compare(
    plan: Plan, agent: Endpoint, peer: Endpoint, *, name: str, target: Target, label: str = ""
) -> Iterator[Figure]:
    """Requests/s and processor time a request, measured in turns after one warm-up turn."""
    runs = {"agent": lambda: agent.run_load(plan), "peer": lambda: peer.run_load(plan)}
    if not plan.quick:
        interleave(1, runs)
    results = interleave(plan.rounds, runs)
    agent_loads, peer_loads = results["agent"], results["peer"]
    yield Figure(
        f"{label}requests",
        "/s",
        series_of(agent_loads, lambda load: load.per_second),
        name,
        series_of(peer_loads, lambda load: load.per_second),
        target,
    )
    yield Figure(
        f"{label}processor time a request",
        "ms",
        series_of(agent_loads, lambda load: load.cpu_ms),
        name,
        series_of(peer_loads, lambda load: load.cpu_ms),
    )
