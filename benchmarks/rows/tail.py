"""The slowest of a hundred chats while something changes at IDaaS, beside the same at rest.

- Rotation: IDaaS signs with a new key, and half of the callers come with tokens of that key.
- Refresh: the agent's own tokens live for 2 s, so that they are renewed in the background all the time.
- Expiry: they had expired, unused, when the load begins.
"""

import time
from collections.abc import Callable, Iterable
from functools import partial

from benchmarks.bench import Bench
from benchmarks.chat import PATH, chat
from benchmarks.load import Load, few, load
from benchmarks.measurement import Figure, at_most, each, in_turns
from benchmarks.servers.process import ServerProcess

_CONNECTIONS = 4
_LIFETIME = 2
_COOLDOWN = 11.0
"""The agent looks for unknown keys once in 10 s: keys that change more often are no one's practice."""
_ROUNDS, _SECONDS = 3, 3.0


def measure(bench: Bench) -> Iterable[Figure]:
    """p99 of chats that are not streamed, 4 at a time, under Machine identity."""
    lasting = bench.agent("Machine")
    bench.control("PATCH", "settings", {"access_token_lifetime": _LIFETIME})
    quick = bench.plan.quick
    brief = lasting if quick else bench.agent("Machine", MAX_TOOL_ROUNDS="7")
    token = bench.access_token()

    def under_load(server: ServerProcess, before: Callable[[], list[str]]) -> Load:
        tokens = before()
        if quick:
            return few(server, PATH, chat(), tokens)
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

    subjects = {
        "at rest": partial(under_load, lasting, rest),
        "while the signing key changes": partial(under_load, lasting, rotation),
        "while credentials are refreshed": partial(under_load, brief, rest),
        "from the expiry of credentials on": partial(under_load, brief, expiry),
    }
    try:
        if not quick:
            subjects["at rest"]()
            subjects["while credentials are refreshed"]()
        results = in_turns(1 if quick else _ROUNDS, subjects)
    finally:
        bench.control("PATCH", "settings", {"access_token_lifetime": 1200})
        if brief is not lasting:
            bench.stop(brief)
    calm = each(results.pop("at rest"), lambda load: load.p99_ms)
    for name, loads in results.items():
        p99 = each(loads, lambda load: load.p99_ms)
        yield Figure(f"p99 {name}", "ms", p99, "at rest", calm, at_most(1.2))
