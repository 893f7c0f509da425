"""p99 latency of chats during changes at IDaaS, compared with no change.

- Rotation: IDaaS signs with a new key, and half of the callers have tokens of that key.
- Refresh: the agent's tokens live for 2 s, so they are renewed continuously in the background.
- Expiry: the agent's tokens have expired when the load begins.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, chat
from benchmarks.load.wrk import Load, load, send_few
from benchmarks.report.measurement import Figure, at_most, interleave, series_of
from benchmarks.servers.processes.process import ServerProcess

_CONNECTIONS = 4
_LIFETIME = 2
_COOLDOWN = 11.0
"""Seconds between rotations: the agent fetches keys for an unknown `kid` once in 10 s."""
_ROUNDS, _SECONDS = 3, 3.0


def measure(bench: Bench) -> Iterable[Figure]:
    """p99 of chats without streaming on 4 connections, under Machine identity."""
    long_lived = bench.agent("Machine")
    bench.control("PATCH", "settings", {"access_token_lifetime": _LIFETIME})
    quick = bench.plan.quick
    short_lived = long_lived if quick else bench.agent("Machine", MAX_TOOL_ROUNDS="7")
    token = bench.access_token()

    def under_load(server: ServerProcess, before: Callable[[], list[str]]) -> Load:
        tokens = before()
        if quick:
            return send_few(server, PATH, chat(), tokens)
        return load(server, PATH, chat(), seconds=_SECONDS, tokens=tokens, connections=_CONNECTIONS)

    rotated = [float("-inf")]

    def rotation() -> list[str]:
        if not quick:
            time.sleep(max(0.0, rotated[0] + _COOLDOWN - time.monotonic()))
        rotated[0] = time.monotonic()
        bench.control("POST", "keys/rotate", {"overlap": True})
        return [token, bench.access_token()]

    def expiry() -> list[str]:
        time.sleep(0 if quick else _LIFETIME + 0.1)
        return [token]

    def rest() -> list[str]:
        return [token]

    runs = {
        "at rest": partial(under_load, long_lived, rest),
        "while the signing key changes": partial(under_load, long_lived, rotation),
        "while credentials are refreshed": partial(under_load, short_lived, rest),
        "from the expiry of credentials on": partial(under_load, short_lived, expiry),
    }
    try:
        if not quick:
            runs["at rest"]()
            runs["while credentials are refreshed"]()
        results = interleave(1 if quick else _ROUNDS, runs)
    finally:
        bench.control("PATCH", "settings", {"access_token_lifetime": 1200})
        if short_lived is not long_lived:
            bench.stop(short_lived)
    reference = series_of(results.pop("at rest"), lambda load: load.p99_ms)
    for name, loads in results.items():
        p99 = series_of(loads, lambda load: load.p99_ms)
        yield Figure(f"p99 {name}", "ms", p99, "at rest", reference, at_most(1.2))
