"""Calls of an MCP tool through the service, in both versions: a warm one, compared with a bare POST of the
same message, and the first one of a new user.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import httpx
import uvloop

from benchmarks.bench import Bench
from benchmarks.micro import Timed, timed_async
from benchmarks.processes import row_server
from benchmarks.report import Figure, Series, at_most, interleave, series
from identity.credentials.requirement import ApiKeyRequirement, Credential, CredentialRequirement
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tools.mcp_service.service import MCPService
from tools.service import Access

_VERSIONS: Final = {"2026-07-28": "new", "2025-11-25": "mcp"}
"""The paths of the servers."""
_FIRST: Final = {"2026-07-28": 1, "2025-11-25": 4}
"""Requests of a new user's first call: the server's version is known, and the newer list is shared."""
_NEED: Final = ApiKeyRequirement("amap_api_key")
_ARGUMENTS: Final = {"city": "杭州"}
_CALL: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "maps_weather", "arguments": _ARGUMENTS},
}


class _Access:
    """An `Access` with a cached key, which is that of one user."""

    caller = None

    def __init__(self, key: str = "sk-benchmark") -> None:
        alice, expires_at = Principal("https://idp.example", "alice"), time.time() + 3600
        self._key = Credential(_NEED, AccessIdentity.HUMAN, Secret(key), expires_at, alice)

    async def credential(self) -> Credential:
        return self._key

    def cached(self) -> Credential:
        return self._key

    async def renew(self, refused: Credential, *, forbidden: bool = False) -> Credential:
        raise NotImplementedError

    async def lent(self) -> Credential:
        raise NotImplementedError

    def stepped_up(self, requirement: CredentialRequirement) -> Access:
        raise NotImplementedError


def mcp_call(bench: Bench) -> Sequence[Figure]:
    """Sequential calls of both clients in this process to servers in another, which counts them."""
    loop = uvloop.new_event_loop()
    calls = 5 if bench.plan.quick else 500
    figures: list[Figure] = []
    with row_server("many_tools", bench.start) as server:
        try:
            for version, path in _VERSIONS.items():
                url, rounds = f"{server.url}/{path}/1", bench.plan.rounds
                times, requests, first = _measure_calls(url, server.url, loop, rounds, calls)
                figures += [
                    Figure(
                        f"a call ({version})", "µs", times["call"], "a bare POST", times["POST"], at_most(1.1)
                    ),
                    Figure(f"requests a call ({version})", "", series(requests), target=at_most(1)),
                    Figure(
                        f"requests of a new user's first call ({version})",
                        "",
                        series(first),
                        target=at_most(_FIRST[version]),
                    ),
                ]
        finally:
            loop.close()
    return figures


def _measure_calls(
    url: str, counter: str, loop: asyncio.AbstractEventLoop, rounds: int, calls: int
) -> tuple[dict[str, Series], float, float]:
    service, access, http = MCPService("amap", url, _NEED), _Access(), httpx.AsyncClient()
    headers = {"Accept": "application/json, text/event-stream", "Authorization": "Bearer sk-benchmark"}

    async def post() -> None:
        response = await http.post(url, json=_CALL, headers=headers)
        response.raise_for_status().json()

    async def call() -> None:
        assert (await service.call("maps_weather", _ARGUMENTS, access)).ok

    async def of_new_user() -> None:
        assert (await service.call("maps_weather", _ARGUMENTS, _Access("sk-another"))).ok

    def microseconds(work: Timed) -> float:
        return work(calls) / calls * 1e6

    async def count() -> float:
        number: float = (await http.get(f"{counter}/requests")).json()
        return number

    calling, posting = timed_async(call, loop), timed_async(post, loop)
    calling(2)
    loop.run_until_complete(count())
    calling(calls)
    requests = loop.run_until_complete(count()) / calls
    loop.run_until_complete(of_new_user())
    first = loop.run_until_complete(count())
    times = interleave(rounds, {"call": lambda: microseconds(calling), "POST": lambda: microseconds(posting)})
    loop.run_until_complete(service.aclose())
    loop.run_until_complete(http.aclose())
    return {name: Series(tuple(values)) for name, values in times.items()}, requests, first
