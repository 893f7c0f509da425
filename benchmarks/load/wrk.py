"""Load by wrk: each connection sends its next request when the response to the last one has arrived.

https://github.com/wg/wrk
"""

import json
import secrets
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.load.client import send_concurrently
from benchmarks.load.loaded_server import LoadedServer

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
