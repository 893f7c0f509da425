"""The soak: one agent in Human identity, more users than it remembers, and whether its memory stays flat.

    python -m benchmarks.soak [--requests 100000] [--users 12000] [--samples 10]

The agent is `idaas-agent serve` with its defaults, IDaaS the sandbox, the outside services stand-ins. First
every user comes once; then users at random. Most ask for an answer, whole or as a stream; some
have a tool called, some leave early, some have a bad token. Credentials of 10,000 users and as many verified
tokens fit the agent's bounds, so those of the others go, and are obtained again when their users return.

So many times in the run, and at rest, the process is looked at. In the second half, when all bounds are
reached, resident memory may grow by 2 %, and neither descriptors nor threads nor tasks may. Exit status 1 if
they do, or if an answer was not the expected one. A run of fewer than 20,000 requests is not judged by its
memory.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil

from benchmarks.servers.process import ServerProcess, free_port
from benchmarks.visitor import Visit, Visitor

CONNECTIONS: Final = 24
MEMORY_GROWTH: Final = 0.02
"""Of the resident memory at half-time, over the second half, by the line through its samples."""
COUNT_GROWTH: Final = 16
"""Of descriptors, threads and tasks: idle connections come and go."""
JUDGED_FROM: Final = 20_000
_REST_SECONDS: Final = 6.0
"""Before a look: what was left early ends, and the audit log is written."""
_INHERITED: Final = ("PATH", "HOME", "LANG", "PYTHONPATH")


@dataclass(frozen=True, slots=True)
class Sample:
    """The agent's process at rest, after so many requests."""

    requests: int
    seconds: float
    rss_mib: float
    descriptors: int
    threads: int
    tasks: int
    blocks: int

    def row(self) -> str:
        """For the table."""
        return (
            f"{self.requests:>9,} {self.seconds:>7.0f} s {self.rss_mib:>9.1f} {self.descriptors:>12} "
            f"{self.threads:>8} {self.tasks:>6} {self.blocks:>10,}"
        )


HEADING: Final = f"{'requests':>9} {'time':>9} {'RSS, MiB':>9} {'descriptors':>12} {'threads':>8} {'tasks':>6} {'blocks':>10}"  # fmt: skip  # noqa: E501


class WatchedAgent:
    """The agent's process, looked at from outside, and asked by signal how many tasks it has."""

    def __init__(self, server: ServerProcess, file: Path) -> None:
        self.server = server
        self._file = file
        self._began = time.monotonic()

    def sample(self, requests: int) -> Sample:
        """Raises `TimeoutError` if the process does not tell within 30 s."""
        self._file.unlink(missing_ok=True)
        os.kill(self.server.pid, signal.SIGUSR1)
        deadline = time.monotonic() + 30
        while not self._file.exists():
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.02)
        told = json.loads(self._file.read_text())
        process = psutil.Process(self.server.pid)
        return Sample(
            requests,
            time.monotonic() - self._began,
            process.memory_info().rss / 2**20,
            process.num_fds(),
            process.num_threads(),
            told["tasks"],
            told["blocks"],
        )


@contextmanager
def agent_and_tokens(users: int) -> Iterator[tuple[WatchedAgent, list[str]]]:
    """A warm agent, and an access token of each user."""
    servers: list[ServerProcess] = []
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)

        def start(module: str, *arguments: str, path: str = "/health", **variables: str) -> ServerProcess:
            port = free_port()
            inherited = {key: os.environ[key] for key in _INHERITED if key in os.environ}
            given = [str(port) if argument == "PORT" else argument for argument in arguments]
            command = [sys.executable, "-m", f"benchmarks.servers.{module}", *given]
            server = ServerProcess(command, inherited | variables, port, folder / f"{module}.log", path)
            servers.append(server)
            server.wait_until_ready()
            return server

        try:
            outside = start("stand_ins", "PORT").url
            cloud = start("cloud", str(folder), "PORT", str(users), path="/__sandbox__/counters")
            given = json.loads((folder / "environment.json").read_text())
            variables = {key: value for key, value in given.items() if not key.startswith("LEAVE_")} | {
                "ACCESS_IDENTITY": "Human",
                "LLM_BASE_URL": f"{outside}/v1",
                "EXTERNAL_SERVER_URL": f"{outside}/mcp",
                "ENTERPRISE_SERVICE_URL": f"{outside}/enterprise",
                "AUDIT_LOG_FILE": str(folder / "audit.log"),
            }
            file = folder / "agent.json"
            agent = start("watched_agent", str(file), "PORT", path="/ready", **variables)
            tokens = access_tokens(cloud, users)
            yield WatchedAgent(agent, file), tokens
        finally:
            for server in reversed(servers):
                server.stop()


def access_tokens(cloud: ServerProcess, users: int) -> list[str]:
    """One of each user, good for two hours."""
    with httpx.Client(base_url=cloud.url, trust_env=False) as http:
        return [
            http.post("/__sandbox__/access-tokens", json={"user": f"user{index}", "lifetime": 7200}).json()[
                "access_token"
            ]
            for index in range(users)
        ]


def visits(tokens: Sequence[str], chance: random.Random) -> Iterator[Visit]:
    """Each user once; then anybody, without end."""
    yield from (Visit.of(token, chance) for token in tokens)
    while True:
        yield Visit.of(chance.choice(tokens), chance)


async def soak(
    agent: WatchedAgent, tokens: Sequence[str], requests: int, number: int
) -> tuple[list[Sample], Counter[str]]:
    """The samples, the first of them before any request; and what came of the visits."""
    coming, outcomes = visits(tokens, random.Random(1)), Counter[str]()  # noqa: S311 - the same each time
    visitors = [Visitor(agent.server.port) for _ in range(CONNECTIONS)]
    samples = [agent.sample(0)]
    print(HEADING, samples[0].row(), sep="\n", flush=True)
    for done in range(number):
        past, now = requests * done // number, requests * (done + 1) // number
        these = iter([next(coming) for _ in range(now - past)])

        async def work(visitor: Visitor, these: Iterator[Visit] = these) -> None:
            for visit in these:
                outcomes[await visitor.make(visit)] += 1

        await asyncio.gather(*map(work, visitors))
        await asyncio.sleep(_REST_SECONDS if requests >= JUDGED_FROM else 0.2)
        samples.append(await asyncio.to_thread(agent.sample, now))
        print(samples[-1].row(), flush=True)
    for visitor in visitors:
        visitor.leave()
    return samples, outcomes


def faults(samples: Sequence[Sample], outcomes: Counter[str]) -> list[str]:
    """What is not as it should be."""
    second = samples[len(samples) // 2 :]
    found = [f"{count} answers: {name}" for name, count in outcomes.items() if name.startswith("unexpected")]
    for name in ("descriptors", "threads", "tasks"):
        grown = getattr(second[-1], name) - getattr(second[0], name)
        if grown > COUNT_GROWTH:
            found.append(f"{grown} {name} more at the end than at half-time")
    growth = memory_growth(second)
    if second[-1].requests >= JUDGED_FROM and growth > MEMORY_GROWTH:
        found.append(f"resident memory grew by {growth:.1%} over the second half")
    return found


def memory_growth(samples: Sequence[Sample]) -> float:
    """Of the first sample's resident memory, by the line through all of them (least squares)."""
    mean_x = sum(sample.requests for sample in samples) / len(samples)
    mean_y = sum(sample.rss_mib for sample in samples) / len(samples)
    over = sum((sample.requests - mean_x) * (sample.rss_mib - mean_y) for sample in samples)
    slope = over / sum((sample.requests - mean_x) ** 2 for sample in samples)
    return slope * (samples[-1].requests - samples[0].requests) / samples[0].rss_mib


def main(arguments: Sequence[str]) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=12_000)
    parser.add_argument("--samples", type=int, default=10)
    options = parser.parse_args(arguments)
    with agent_and_tokens(options.users) as (agent, tokens):
        samples, outcomes = asyncio.run(soak(agent, tokens, options.requests, options.samples))
    print("\nwhat came of it:", ", ".join(f"{name} {count:,}" for name, count in outcomes.most_common()))
    print(f"memory over the second half: {memory_growth(samples[len(samples) // 2 :]):+.2%}")
    found = faults(samples, outcomes)
    print("\n".join(found) or ("flat" if options.requests >= JUDGED_FROM else "too short to judge memory by"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
