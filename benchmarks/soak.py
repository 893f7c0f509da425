"""The soak: one agent under Human identity, more users than its caches hold; checks that memory stays flat.

    python -m benchmarks.soak [--requests 100000] [--users 12000] [--samples 10] [--only "long conversation"]

The agent is `idaas-agent serve` with its defaults, IDaaS is the sandbox, and the outside services are
stand-ins. First every user sends one request; then users are chosen at random. Most requests are plain or
streamed chats; some call a tool, some disconnect early, some carry a bad token. A fifth is in stored
conversations, a few in conversations of 3,000 messages, and a few have answers of 4 MB. The agent's caches
have room for the credentials and verified tokens of 10,000 users; older entries are evicted and obtained
again.

The process is sampled at rest, at regular intervals of the run. In the second half, when all caches are full,
resident memory may grow by 10 %, and descriptors, threads and tasks may not grow; and it is never above the
limit of `deploy/kubernetes`. Exit status 1 if it is, or if a response was not the expected one. Growth is not
checked in runs of fewer than 20,000 requests.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice
from pathlib import Path
from typing import Final, Self

import httpx
import jwt
import psutil
from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.owned_thread import RunKey, stored_owner
from agent.conversations.thread import owner_digest
from agent.conversations.threads import ThreadStore
from benchmarks.processes import ServerProcess, StartProcess, start_process
from identity.principal import Principal
from tests.loopback import free_port

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TOOL_SUCCEEDED: Final = re.compile(rb'"type": ?"tool_finished"[^}]*"ok": ?true')
_TIMEOUT_SECONDS: Final = 60.0
_MOST_BYTES: Final = 2**24
"""Of a response."""
LONG_THREAD: Final = "long"
CONNECTIONS: Final = 24
MEMORY_GROWTH: Final = 0.1
"""Allowed growth over the second half, as a fraction of resident memory at half-time (least squares)."""
MOST_MIB: Final = 768
"""Resident memory at any time: the limit of `deploy/kubernetes`."""
COUNT_GROWTH: Final = 16
"""Allowed growth of descriptors, threads and tasks: idle connections open and close."""
MIN_REQUESTS_FOR_GROWTH: Final = 20_000
LONG_MESSAGES: Final = 3_000
_SETTLE_SECONDS: Final = 35.0
"""Wait before a sample, in which abandoned runs end, the audit log is written, garbage is collected because
the process is idle, and free memory is returned."""
HEADING: Final = f"{'requests':>9} {'time':>9} {'RSS, MiB':>9} {'peak':>9} {'descriptors':>12} {'threads':>8} {'tasks':>6} {'blocks':>10}"  # fmt: skip  # noqa: E501 - a row of a table


class ClientBehaviour(StrEnum):
    """What the client of a request does, as the report names it."""

    WHOLE = "whole"
    STREAM = "stream"
    MCP = "mcp"
    ENTERPRISE = "enterprise"
    DISCONNECTS = "disconnected"
    DISCONNECTS_IN_TOOL = "disconnected in a tool call"
    BAD_TOKEN = "bad token"
    CONVERSATION = "conversation"
    """Stored: one for each user and connection."""
    LONG = "long conversation"
    """Stored, with thousands of messages: one for each connection."""
    BIG = "big answer"
    """Of 4 MB, in a stored conversation."""


_WEIGHTS: Final = {
    ClientBehaviour.WHOLE: 40,
    ClientBehaviour.STREAM: 25,
    ClientBehaviour.MCP: 10,
    ClientBehaviour.ENTERPRISE: 10,
    ClientBehaviour.DISCONNECTS: 5,
    ClientBehaviour.DISCONNECTS_IN_TOOL: 5,
    ClientBehaviour.BAD_TOKEN: 5,
    ClientBehaviour.CONVERSATION: 20,
    ClientBehaviour.LONG: 2,
    ClientBehaviour.BIG: 0.2,
}


_STORED: Final = frozenset({ClientBehaviour.CONVERSATION, ClientBehaviour.LONG, ClientBehaviour.BIG})


_WITH_TOOLS: Final = frozenset({ClientBehaviour.MCP, ClientBehaviour.ENTERPRISE})


_DISCONNECTING: Final = frozenset({ClientBehaviour.DISCONNECTS, ClientBehaviour.DISCONNECTS_IN_TOOL})


_STREAMED: Final = _WITH_TOOLS | _DISCONNECTING | _STORED | {ClientBehaviour.STREAM}


_QUESTIONS: Final = {
    ClientBehaviour.MCP: "What is the weather?",
    ClientBehaviour.ENTERPRISE: "Call the enterprise service.",
    ClientBehaviour.DISCONNECTS: "tokens=200",
    ClientBehaviour.DISCONNECTS_IN_TOOL: "What is the weather?",
    ClientBehaviour.BIG: "tokens=1000 letters=4000",
}


@dataclass(frozen=True, slots=True)
class SoakRequest:
    """One chat request of one user."""

    behaviour: ClientBehaviour
    token: str

    @classmethod
    def of(cls, token: str, rng: random.Random, only: ClientBehaviour | None = None) -> Self:
        """A request with `token` and a random behaviour, or `only` this one; a bad token gets another
        signature each time.
        """
        behaviour = only or rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        if behaviour is ClientBehaviour.BAD_TOKEN:
            forged = "".join(rng.choices("abcdefghijklmnop", k=40))
            token = token[:-60] + forged + token[-20:]
        return cls(behaviour, token)

    def encoded(self, client: "SoakClient") -> bytes:
        """The HTTP/1.1 request of `client`: no two clients use one conversation at the same time."""
        token = client.long_token if self.behaviour is ClientBehaviour.LONG else self.token
        thread = LONG_THREAD if self.behaviour is ClientBehaviour.LONG else client.thread
        named = f"X-Thread-Id: {thread}\r\n" if self.behaviour in _STORED else ""
        stream = self.behaviour in _STREAMED
        message = {"role": "user", "content": _QUESTIONS.get(self.behaviour, "Say something.")}
        body = json.dumps({"model": "qwen-plus", "messages": [message], "stream": stream}).encode()
        head = (
            "POST /openai/v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nAuthorization: Bearer {token}\r\n{named}"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class SoakClient:
    """One connection to the agent, reopened after a disconnect."""

    def __init__(self, port: int, number: int, long_token: str) -> None:
        """`long_token` is of a user with a long conversation, which no other client uses."""
        self._port = port
        self.thread: Final = f"soak-{number}"
        self.long_token: Final = long_token
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, request: SoakRequest) -> str:
        """Returns the request's behaviour if the response is the expected one, else `unexpected …`."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port, limit=_MOST_BYTES
            )
        self._writer.write(request.encoded(self))
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                if request.behaviour in _DISCONNECTING:
                    await self._reader.read(1)
                    self.close()
                    return request.behaviour
                response = await self._read_response(self._reader)
        except (OSError, TimeoutError, EOFError) as error:
            self.close()
            return f"unexpected {type(error).__name__} to {request.behaviour}"
        status = response.split(b" ", 2)[1].decode()
        expected = "401" if request.behaviour is ClientBehaviour.BAD_TOKEN else "200"
        if status != expected:
            return f"unexpected {status} to {request.behaviour}"
        if request.behaviour in _WITH_TOOLS and not _TOOL_SUCCEEDED.search(response):
            return f"unexpected {status} without the tool to {request.behaviour}"
        return request.behaviour

    def close(self) -> None:
        """Closes the connection, even during a response."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _read_response(self, reader: asyncio.StreamReader) -> bytes:
        """A complete response, by its Content-Length or up to its last chunk."""
        head = await reader.readuntil(b"\r\n\r\n")
        if length := _LENGTH.search(head):
            return head + await reader.readexactly(int(length[1]))
        return head + await reader.readuntil(b"\r\n0\r\n\r\n")


@dataclass(frozen=True, slots=True)
class Sample:
    """The agent's process at rest, after `requests` requests."""

    requests: int
    seconds: float
    rss_mib: float
    peak_mib: float
    """The most so far, also between samples."""
    descriptors: int
    threads: int
    tasks: int
    blocks: int

    def row(self) -> str:
        """One line of the table, in the columns of `HEADING`."""
        return (
            f"{self.requests:>9,} {self.seconds:>7.0f} s {self.rss_mib:>9.1f} {self.peak_mib:>9.1f} "
            f"{self.descriptors:>12} {self.threads:>8} {self.tasks:>6} {self.blocks:>10,}"
        )


class MonitoredAgent:
    """The agent's process, measured from outside; it reports its tasks and memory blocks on SIGUSR2."""

    def __init__(self, server: ServerProcess, file: Path) -> None:
        self.server = server
        self._file = file
        self._began = time.monotonic()

    def sample(self, requests: int) -> Sample:
        """Raises `TimeoutError` if the process does not report within 30 s."""
        self._file.unlink(missing_ok=True)
        os.kill(self.server.pid, signal.SIGUSR2)
        deadline = time.monotonic() + 30
        while not self._file.exists():
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(0.02)
        report = json.loads(self._file.read_text())
        process = psutil.Process(self.server.pid)
        return Sample(
            requests,
            time.monotonic() - self._began,
            process.memory_info().rss / 2**20,
            peak_mib(self.server.pid),
            process.num_fds(),
            process.num_threads(),
            report["tasks"],
            report["blocks"],
        )


def peak_mib(pid: int) -> float:
    """The most resident memory that the process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kib) / 1024


@contextmanager
def agent_and_tokens(users: int, start_server: StartProcess) -> Iterator[tuple[MonitoredAgent, list[str]]]:
    """A ready agent, and an access token for each user."""
    servers: list[ServerProcess] = []
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)

        def start(module: str, *arguments: str, path: str = "/health", **variables: str) -> ServerProcess:
            port = free_port()
            filled = [str(port) if argument == "PORT" else argument for argument in arguments]
            command = [sys.executable, "-m", f"benchmarks.servers.{module}", *filled]
            log = folder / f"{module}.log"
            server = ServerProcess(command, variables, port, log, path, start_server)
            servers.append(server)
            server.wait_until_ready()
            return server

        try:
            outside = start("services", "PORT").url
            cloud = start("cloud", str(folder), "PORT", str(users), path="/__sandbox__/counters")
            environment = json.loads((folder / "environment.json").read_text())
            variables = {key: value for key, value in environment.items() if not key.startswith("LEAVE_")} | {
                "ACCESS_IDENTITY": "Human",
                "LLM_BASE_URL": f"{outside}/v1",
                "EXTERNAL_SERVER_URL": f"{outside}/mcp",
                "ENTERPRISE_SERVICE_URL": f"{outside}/enterprise",
                "AUDIT_LOG_FILE": str(folder / "audit.log"),
                "CONVERSATIONS_URL": f"sqlite:///{folder}/conversations.db",
            }
            file = folder / "agent.json"
            agent = start("monitored_agent", str(file), "PORT", path="/ready", **variables)
            tokens = access_tokens(cloud, users)
            asyncio.run(store_long_conversations(folder / "conversations.db", tokens[:CONNECTIONS]))
            yield MonitoredAgent(agent, file), tokens
        finally:
            for server in reversed(servers):
                server.stop()


def access_tokens(cloud: ServerProcess, users: int) -> list[str]:
    """One for each user, valid for two hours."""
    with httpx.Client(base_url=cloud.url, trust_env=False) as http:
        return [
            http.post("/__sandbox__/access-tokens", json={"user": f"user{index}", "lifetime": 7200}).json()[
                "access_token"
            ]
            for index in range(users)
        ]


async def store_long_conversations(path: Path, tokens: Sequence[str]) -> None:
    """Stores one for the user of each token."""
    database = SqliteDatabase(path)
    for token in tokens:
        claims = jwt.decode(token, options={"verify_signature": False})
        owner = stored_owner(owner_digest(Principal(claims["iss"], claims["sub"])))
        turns = [
            message
            for number in range(LONG_MESSAGES // 2)
            for message in (HumanMessage(f"Question {number}"), AIMessage(f"Answer {number}"))
        ]
        threads = ThreadStore(database)
        await threads.begin_run(RunKey(owner.thread(LONG_THREAD), "run"), "process", messages=turns)
        await threads.end_run(RunKey(owner.thread(LONG_THREAD), "run"), "idle")
    await database.aclose()


def request_sequence(
    tokens: Sequence[str], rng: random.Random, only: ClientBehaviour | None = None
) -> Iterator[SoakRequest]:
    """One request of each user, then of users at random, without end."""
    yield from (SoakRequest.of(token, rng, only) for token in tokens)
    while True:
        yield SoakRequest.of(rng.choice(tokens), rng, only)


async def soak(
    agent: MonitoredAgent,
    tokens: Sequence[str],
    requests: int,
    number: int,
    only: ClientBehaviour | None = None,
) -> tuple[list[Sample], Counter[str]]:
    """Returns the samples, the first of them before any request, and the count of each outcome."""
    pending = request_sequence(tokens, random.Random(1), only)  # noqa: S311 - the same each time
    outcomes = Counter[str]()
    clients = [
        SoakClient(agent.server.port, n, token) for n, token in enumerate(islice(cycle(tokens), CONNECTIONS))
    ]
    samples = [agent.sample(0)]
    print(HEADING, samples[0].row(), sep="\n", flush=True)
    for done in range(number):
        first, last = requests * done // number, requests * (done + 1) // number
        batch = iter([next(pending) for _ in range(last - first)])

        async def work(client: SoakClient, batch: Iterator[SoakRequest] = batch) -> None:
            for request in batch:
                outcomes[await client.send(request)] += 1

        await asyncio.gather(*map(work, clients))
        await asyncio.sleep(_SETTLE_SECONDS if requests >= MIN_REQUESTS_FOR_GROWTH else 0.2)
        samples.append(await asyncio.to_thread(agent.sample, last))
        print(samples[-1].row(), flush=True)
    for client in clients:
        client.close()
    return samples, outcomes


def faults(samples: Sequence[Sample], outcomes: Counter[str]) -> list[str]:
    """One message for each violated bound or unexpected outcome; empty if there is none."""
    second = samples[len(samples) // 2 :]
    found = [
        f"{count} responses: {name}" for name, count in outcomes.items() if name.startswith("unexpected")
    ]
    if samples[-1].peak_mib > MOST_MIB:
        found.append(f"resident memory was {samples[-1].peak_mib:.0f} MiB")
    if second[-1].requests < MIN_REQUESTS_FOR_GROWTH:
        return found  # caches and pools of connections still fill
    for name in ("descriptors", "threads", "tasks"):
        grown = getattr(second[-1], name) - getattr(second[0], name)
        if grown > COUNT_GROWTH:
            found.append(f"{name} grew by {grown} over the second half")
    growth = memory_growth(second)
    if growth > MEMORY_GROWTH:
        found.append(f"resident memory grew by {growth:.1%} over the second half")
    return found


def memory_growth(samples: Sequence[Sample]) -> float:
    """Growth as a fraction of the first sample's resident memory, by the line through all (least squares)."""
    mean_x = sum(sample.requests for sample in samples) / len(samples)
    mean_y = sum(sample.rss_mib for sample in samples) / len(samples)
    over = sum((sample.requests - mean_x) * (sample.rss_mib - mean_y) for sample in samples)
    slope = over / sum((sample.requests - mean_x) ** 2 for sample in samples)
    return slope * (samples[-1].requests - samples[0].requests) / samples[0].rss_mib


def main(arguments: Sequence[str], start: StartProcess = start_process) -> int:
    """Runs the command and returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=12_000)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--only", type=ClientBehaviour, help="send no other requests than these")
    options = parser.parse_args(arguments)
    with agent_and_tokens(options.users, start) as (agent, tokens):
        samples, outcomes = asyncio.run(soak(agent, tokens, options.requests, options.samples, options.only))
    print("\noutcomes:", ", ".join(f"{name} {count:,}" for name, count in outcomes.most_common()))
    print(f"memory over the second half: {memory_growth(samples[len(samples) // 2 :]):+.2%}")
    found = faults(samples, outcomes)
    print(
        "\n".join(found)
        or ("flat" if options.requests >= MIN_REQUESTS_FOR_GROWTH else "too short to check growth")
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
