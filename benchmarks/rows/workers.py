"""Several workers: what they add, what they hold, and what their start asks of IDaaS.

Load generator and stand-ins run on the same cores, so the rate cannot grow with the number of workers alone.
"""

import time
from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.chat import PATH, Subject, beside, chat
from benchmarks.client import one_after_another
from benchmarks.measurement import Figure, at_least, at_most, series

_WORKERS = 2
_DISTINCT = 5
"""What one worker asks for under Machine identity: signing keys, two tokens, two API keys."""
_USERS = 20


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s of two workers beside one, then counts at IDaaS."""
    one = bench.agent("Machine")
    bench.idaas_requests()
    several = bench.agent("Machine", workers=_WORKERS)
    time.sleep(1.0)  # the other worker may still be warming up
    asked = sum(bench.idaas_requests().values())
    yield Figure(
        f"start of {_WORKERS} workers: requests to IDaaS",
        "",
        series(asked),
        target=at_most(_DISTINCT * _WORKERS),
    )
    tokens = [bench.access_token()]
    yield from beside(
        bench.plan,
        Subject(several, PATH, chat(), tokens),
        Subject(one, PATH, chat(), tokens),
        name="one worker",
        target=at_least(1.5),
        label=f"{_WORKERS} workers: ",
    )
    bench.stop(several)
    if not bench.plan.quick:
        yield from _bounded(bench)


def _bounded(bench: Bench) -> Iterable[Figure]:
    several = bench.agent("Human", workers=_WORKERS)
    tokens = bench.new_users(_USERS)
    bench.idaas_requests()
    for _ in range(4):
        for token in tokens:
            one_after_another(several, PATH, chat(), [token])
    asked = bench.idaas_requests().get("idaas:token.token_exchange", 0)
    bench.stop(several)
    yield Figure(
        f"{_WORKERS} workers, {_USERS} users, {4 * _USERS} requests: exchanges",
        "",
        series(asked),
        target=at_most(2 * _USERS * _WORKERS),
    )
