"""Several workers: their rate, and their requests to IDaaS.

Load generator and stand-ins run on the same cores, so the rate grows by less than the number of workers.
"""

import time
from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, Endpoint, chat, compare
from benchmarks.load.client import send_sequentially
from benchmarks.report.measurement import Figure, at_least, at_most, series

_WORKERS = 2
_DISTINCT = 5
"""Requests of one worker under Machine identity: signing keys, two tokens, two API keys."""
_USERS = 20


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s of two workers compared with one, then counts at IDaaS."""
    one = bench.agent("Machine")
    bench.idaas_requests()
    several = bench.agent("Machine", workers=_WORKERS)
    time.sleep(1.0)  # the other worker may still be warming up
    requests = sum(bench.idaas_requests().values())
    yield Figure(
        f"start of {_WORKERS} workers: requests to IDaaS",
        "",
        series(requests),
        target=at_most(_DISTINCT * _WORKERS),
    )
    tokens = [bench.access_token()]
    yield from compare(
        bench.plan,
        Endpoint(several, PATH, chat(), tokens),
        Endpoint(one, PATH, chat(), tokens),
        name="one worker",
        target=at_least(1.5),
        label=f"{_WORKERS} workers: ",
    )
    bench.stop(several)
    if not bench.plan.quick:
        yield from _human_exchanges(bench)


def _human_exchanges(bench: Bench) -> Iterable[Figure]:
    several = bench.agent("Human", workers=_WORKERS)
    tokens = bench.new_users(_USERS)
    bench.idaas_requests()
    for _ in range(4):
        for token in tokens:
            send_sequentially(several, PATH, chat(), [token])
    exchanges = bench.idaas_requests().get("idaas:token.token_exchange", 0)
    bench.stop(several)
    yield Figure(
        f"{_WORKERS} workers, {_USERS} users, {4 * _USERS} requests: exchanges",
        "",
        series(exchanges),
        target=at_most(2 * _USERS * _WORKERS),
    )
