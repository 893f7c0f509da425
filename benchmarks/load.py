"""Load on a server: chats by wrk (https://github.com/wg/wrk), and a client for what wrk does not measure.

A connection of wrk sends its next request when the response to the last one has arrived. Figures that are
compared are measured in turns.
"""

import asyncio
import json
import re
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from benchmarks.report import Figure, Plan, Target, interleave, series_of

_CONTENT = re.compile(rb'"(?:content|delta)":\s*"[^"]')  # of OpenAI or AG-UI
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TIMEOUT_SECONDS = 60.0
CONNECTIONS = 32
_MAX_SECONDS = 10
_QUICK_REQUESTS = 4
_SCRIPT = """
local body, tokens, threads, requests, sent = %(body)s, %(tokens)s, %(threads)d, {}, 0

init = function()
  for number = 1, math.max(#tokens, threads) do
    local token = tokens[(number - 1) %% #tokens + 1]
    local headers = {["Content-Type"] = "application/json", ["Authorization"] = "Bearer " .. token}
    if threads > 0 then headers["X-Thread-Id"] = "%(round)s-" .. number end
    requests[number] = wrk.format("POST", nil, headers, body)
  end
end

request = function()
  sent = sent + 1
  return requests[sent %% #requests + 1]
end

done = function(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '\\n{"requests": %%d, "seconds": %%f, "failed": %%d, "p50": %%f, "p99": %%f}\\n',
    summary.requests, summary.duration / 1e6,
    failed.connect + failed.read + failed.write + failed.status + failed.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
"""
PATH = "/openai/v1/chat/completions"


class LoadedServer(Protocol):
    """`ServerProcess` is one."""

    @property
    def port(self) -> int:
        """Of loopback."""
        ...

    @property
    def url(self) -> str:
        """Its origin."""
        ...

    def cpu_seconds(self) -> float:
        """User and system time of all its running processes."""
        ...


@dataclass(frozen=True, slots=True)
class ResponseTimes:
    """Seconds from the request to the first piece of content, and to the end of the response."""

    first: float
    complete: float


class Connection:
    """One persistent connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, server: LoadedServer) -> "Connection":
        """Connects to `server`; sends nothing."""
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    async def send(
        self, path: str, body: dict[str, Any], token: str, *, thread: str | None = None
    ) -> ResponseTimes:
        """Sends `body`, on a conversation if `thread` names one, and reads the whole response.

        Raises `RuntimeError` for a status other than 200 or a response without content.
        """
        began = time.perf_counter()
        self.begin(path, body, token, thread=thread)
        received, first = b"", 0.0
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            while not _is_complete(received):
                piece = await self._reader.read(65536)
                received += piece
                if not first and _CONTENT.search(received):
                    first = time.perf_counter() - began
                if not piece:
                    break
        if not received.startswith(b"HTTP/1.1 200") or not first:
            fault = f"{path}: unexpected response {received[:300]!r}"
            raise RuntimeError(fault)
        return ResponseTimes(first, time.perf_counter() - began)

    async def complete(self, seconds: float) -> float:
        """Reads the response of `begin` to its end; returns the time (`perf_counter`) of its first content.

        Raises `RuntimeError` for a status other than 200 or a response without content.
        """
        received, first = bytearray(), 0.0
        async with asyncio.timeout(seconds):
            while not received.endswith(b"\r\n0\r\n\r\n"):
                piece = await self._reader.read(65536)
                received += piece
                if not first and _CONTENT.search(received):
                    first = time.perf_counter()
                if not piece:
                    break
        if not received.startswith(b"HTTP/1.1 200") or not first:
            fault = f"unexpected response {bytes(received[:300])!r}"
            raise RuntimeError(fault)
        return first

    async def get(self, path: str) -> None:
        """Reads the head of a response to GET."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await self._reader.readuntil(b"\r\n\r\n")

    def begin(self, path: str, body: dict[str, Any], token: str, *, thread: str | None = None) -> None:
        """Sends a request, and reads nothing."""
        content = json.dumps(body).encode()
        named = f"X-Thread-Id: {thread}\r\n" if thread else ""
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{named}"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)

    def close(self) -> None:
        """Closes the connection without waiting."""
        self._writer.close()


def _is_complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    length = _LENGTH.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"0\r\n\r\n")


def send_sequentially(
    server: LoadedServer, path: str, body: dict[str, Any], tokens: Sequence[str]
) -> list[ResponseTimes]:
    """Sends a request for each token, on one connection."""

    async def run() -> list[ResponseTimes]:
        connection = await Connection.open(server)
        times = [await connection.send(path, body, token) for token in tokens]
        connection.close()
        return times

    return asyncio.run(run())


def send_concurrently(
    server: LoadedServer, path: str, body: dict[str, Any], tokens: Sequence[str], *, in_threads: bool = False
) -> float:
    """Sends a request for each token, each on an open connection; returns seconds to the last response.

    With `in_threads`, each on a conversation of its own.
    """

    async def run() -> float:
        connections = [await Connection.open(server) for _ in tokens]
        began = time.perf_counter()
        names = [secrets.token_hex(8) if in_threads else None for _ in tokens]
        requests = zip(connections, tokens, names, strict=True)
        await asyncio.gather(
            *(connection.send(path, body, token, thread=name) for connection, token, name in requests)
        )
        seconds = time.perf_counter() - began
        for connection in connections:
            connection.close()
        return seconds

    return asyncio.run(run())


@dataclass(frozen=True, slots=True)
class Load:
    """The result of a load. `cpu_ms` is the server's processor time a request; times are in milliseconds."""

    per_second: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float
    requests: int


def load(
    server: LoadedServer,
    path: str,
    body: dict[str, Any],
    *,
    seconds: float,
    tokens: Sequence[str] = ("static",),
    connections: int = CONNECTIONS,
    threads: int = 0,
) -> Load:
    """POSTs `body` with the tokens in turn, for `seconds` rounded to whole ones; on so many conversations in
    turn, if `threads` is not 0.

    Raises `RuntimeError` if any request failed.
    """
    lua = {
        "body": _lua(json.dumps(body)),
        "tokens": f"{{{','.join(map(_lua, tokens))}}}",
        "threads": threads,
        "round": secrets.token_hex(4),  # an earlier round may have cut off a run
    }
    whole = max(1, round(seconds))
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT % lua)
        script.flush()
        command = ["wrk", "-t1", f"-c{connections}", f"-d{whole}s", "--timeout", "30s", "-s", script.name]
        before = server.cpu_seconds()
        output = subprocess.run([*command, server.url + path], check=True, capture_output=True, text=True)
        cpu_ms = (server.cpu_seconds() - before) * 1000
    report = json.loads(output.stdout.strip().splitlines()[-1])
    number = report["requests"]
    if not number and whole < _MAX_SECONDS:  # a busy machine can finish no request in this time
        return load(
            server, path, body, seconds=3 * whole, tokens=tokens, connections=connections, threads=threads
        )
    if report["failed"] or not number:
        fault = f"{report['failed']} of {number} requests to {path} failed"
        raise RuntimeError(fault)
    return Load(number / report["seconds"], cpu_ms / number, report["p50"], report["p99"], number)


def send_few(
    server: LoadedServer, path: str, body: dict[str, Any], tokens: Sequence[str], *, threads: int = 0
) -> Load:
    """Sends four requests at once without wrk, to check that they succeed."""
    before = server.cpu_seconds()
    few = [tokens[number % len(tokens)] for number in range(_QUICK_REQUESTS)]
    seconds = send_concurrently(server, path, body, few, in_threads=threads > 0)
    cpu = server.cpu_seconds() - before
    milliseconds = seconds * 1000
    cpu_ms = cpu * 1000 / _QUICK_REQUESTS
    return Load(_QUICK_REQUESTS / seconds, cpu_ms, milliseconds, milliseconds, _QUICK_REQUESTS)


def _lua(text: str) -> str:
    return json.dumps(text)  # a JSON string of ASCII without \\u or \\/ is a Lua string


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
