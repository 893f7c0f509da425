"""A warm call of an MCP tool through the service, compared with a bare POST of the same message."""

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
from identity.credentials.credential import Credential
from identity.credentials.requirement import ApiKeyRequirement
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.mcp_service.service import MCPService

_NEED: Final = ApiKeyRequirement("amap_api_key")
_ARGUMENTS: Final = {"city": "杭州"}
_CALL: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "maps_weather", "arguments": _ARGUMENTS},
}


class _Access:
    """An `Access` with a cached key."""

    caller = None

    def __init__(self) -> None:
        self._key = Credential(
            _NEED, AccessIdentity.MACHINE, Secret("sk-benchmark"), expires_at=time.time() + 3600
        )

    async def credential(self) -> Credential:
        return self._key

    def cached(self) -> Credential:
        return self._key

    async def renew(self, refused: Credential) -> Credential:
        raise NotImplementedError


def mcp_call(bench: Bench) -> Sequence[Figure]:
    """Sequential calls of both clients in this process to a server in another, which counts them."""
    loop = uvloop.new_event_loop()
    calls = 5 if bench.plan.quick else 500
    with row_server("many_tools", bench.start) as server:
        try:
            times, requests = _measure_calls(server.url, loop, bench.plan.rounds, calls)
        finally:
            loop.close()
    return [
        Figure("a call", "µs", times["call"], "a bare POST", times["POST"], at_most(1.5)),
        Figure("requests a call", "", series(requests), target=at_most(1)),
    ]


def _measure_calls(
    url: str, loop: asyncio.AbstractEventLoop, rounds: int, calls: int
) -> tuple[dict[str, Series], float]:
    service, access, http = MCPService("amap", f"{url}/mcp/1", _NEED), _Access(), httpx.AsyncClient()
    headers = {"Accept": "application/json, text/event-stream", "Authorization": "Bearer sk-benchmark"}

    async def post() -> None:
        response = await http.post(f"{url}/mcp/1", json=_CALL, headers=headers)
        response.raise_for_status().json()

    async def call() -> None:
        assert (await service.call("maps_weather", _ARGUMENTS, access)).ok

    def microseconds(work: Timed) -> float:
        return work(calls) / calls * 1e6

    async def count() -> float:
        number: float = (await http.get(f"{url}/requests")).json()
        return number

    calling, posting = timed_async(call, loop), timed_async(post, loop)
    calling(2)
    loop.run_until_complete(count())
    calling(calls)
    requests = loop.run_until_complete(count()) / calls
    times = interleave(rounds, {"call": lambda: microseconds(calling), "POST": lambda: microseconds(posting)})
    loop.run_until_complete(service.aclose())
    loop.run_until_complete(http.aclose())
    return {name: Series(tuple(values)) for name, values in times.items()}, requests
