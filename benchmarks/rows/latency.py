"""How long a caller waits: for the first words, for a first request, and while IDaaS changes something."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from statistics import mean, median

from benchmarks.bench import Bench
from benchmarks.load import PATH, Load, chat, load, send_concurrently, send_few, send_sequentially
from benchmarks.processes import ServerProcess
from benchmarks.report import Figure, Series, at_most, interleave, series_of

_BODY = chat("Say little: tokens=3", stream=True)
_FIRST_REQUESTS = 200
_EXCHANGES = "idaas:token.token_exchange"
_CONNECTIONS = 4
_LIFETIME = 2
_COOLDOWN = 11.0
"""Seconds between rotations: the agent fetches keys for an unknown `kid` once in 10 s."""
_ROUNDS, _SECONDS = 3, 3.0


def first_chunk(bench: Bench) -> Iterable[Figure]:
    """The time that an agent adds to the model's until the first words of a warm stream reach the caller.

    Medians of rounds in which one caller sends requests one after another.
    """
    requests = 10 if bench.plan.quick else 100
    token = bench.access_token()

    def first(server: ServerProcess, path: str) -> float:
        responses = send_sequentially(server, path, chat(stream=True), [token] * requests)
        return 1000 * median(response.first for response in responses)

    times = interleave(
        bench.plan.rounds,
        {
            "model": partial(first, bench.stand_ins, "/v1/chat/completions"),
            "agent": partial(first, bench.agent("Machine"), PATH),
            "bare": partial(first, bench.peer("bare"), "/chat/completions"),
        },
    )

    def added(name: str) -> Series:
        return Series(tuple(time - own for time, own in zip(times[name], times["model"], strict=True)))

    yield Figure("time to the first words", "ms", added("agent"), "bare", added("bare"), at_most(1.0))


def real_latency(bench: Bench) -> Iterable[Figure]:
    """Time to the first words with the delays of real services.

    IDaaS takes 30 ms a request, MCP 40 ms, the model 300 ms to the first token and 10 ms for each further
    one. The references are the model alone and the vendor's demo, which obtains every credential for each
    request.

    Means of rounds in which one caller sends requests one after another.
    """
    known = bench.access_token()
    requests = 1 if bench.plan.quick else 3
    machine, human, demo = bench.agent("Machine"), bench.agent("Human"), bench.peer("demo")
    demo_paths = ("/machine/chat/completions", "/human/chat/completions")
    for server, path in ((machine, PATH), (human, PATH), *((demo, path) for path in demo_paths)):
        send_sequentially(server, path, _BODY, [known])

    def first(server: ServerProcess, path: str, tokens: Callable[[], list[str]]) -> float:
        return 1000 * mean(response.first for response in send_sequentially(server, path, _BODY, tokens()))

    def again() -> list[str]:
        return [known] * requests

    with bench.realistic_latency():
        times = interleave(
            bench.plan.rounds,
            {
                "model": partial(first, bench.stand_ins, "/v1/chat/completions", again),
                "Machine": partial(first, machine, PATH, again),
                "Human, known user": partial(first, human, PATH, again),
                "Human, new user": partial(first, human, PATH, lambda: bench.new_users(requests)),
                "demo, Machine": partial(first, demo, demo_paths[0], again),
                "demo, Human": partial(first, demo, demo_paths[1], again),
            },
        )

    of = {name: Series(tuple(values)) for name, values in times.items()}
    for name, limit in (("Machine", 1.03), ("Human, known user", 1.03), ("Human, new user", 1.25)):
        yield Figure(name, "ms", of[name], "the model alone", of["model"], at_most(limit))
    yield Figure("Machine", "ms", of["Machine"], "demo", of["demo, Machine"])
    yield Figure("Human, known user", "ms", of["Human, known user"], "demo", of["demo, Human"])
    yield Figure("Human, new user", "ms", of["Human, new user"], "demo", of["demo, Human"])


def first_requests(bench: Bench) -> Iterable[Figure]:
    """Two hundred simultaneous first requests under Human identity, from as many users and from one.

    The reference is the vendor's demo, which exchanges the user's token for each request. IDaaS counts the
    exchanges.

    Seconds until the last response; the model responds immediately.
    """
    requests = 8 if bench.plan.quick else _FIRST_REQUESTS
    agent, demo = bench.agent("Human"), bench.peer("demo")
    for server, path in ((agent, PATH), (demo, "/human/chat/completions")):
        send_concurrently(server, path, chat(), [bench.access_token()])

    def run(server: ServerProcess, path: str, tokens: Sequence[str]) -> tuple[float, int]:
        bench.idaas_requests()
        seconds = send_concurrently(server, path, chat(), tokens)
        return seconds, bench.idaas_requests().get(_EXCHANGES, 0)

    for users, limit, exchanges in ((requests, 1.5, 2 * requests), (1, 1.2, 2)):

        def timed(
            server: ServerProcess, path: str = PATH, users: int = users
        ) -> Callable[[], tuple[float, float]]:
            return lambda: run(server, path, bench.new_users(users) * (requests // users))

        results = interleave(
            1 if bench.plan.quick else 2,
            {"agent": timed(agent), "demo": timed(demo, "/human/chat/completions")},
        )
        source = f"of {users} users" if users > 1 else "of one user"
        for member, name, unit, target in (
            (0, "all answered", "s", at_most(limit, absolute=True)),
            (1, "exchanges", "", at_most(exchanges, absolute=True)),
        ):
            value, reference = (
                Series(tuple(float(r[member]) for r in results[n])) for n in ("agent", "demo")
            )
            yield Figure(
                f"{requests} first requests {source}: {name}", unit, value, "demo", reference, target
            )


def tail(bench: Bench) -> Iterable[Figure]:
    """p99 latency of chats during changes at IDaaS, compared with no change.

    - Rotation: IDaaS signs with a new key, and half of the callers have tokens of that key.
    - Refresh: the agent's tokens live for 2 s, so they are renewed continuously in the background.
    - Expiry: the agent's tokens have expired when the load begins.

    p99 of chats without streaming on 4 connections, under Machine identity.
    """
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
