"""A warm call of an MCP tool, through the service, beside a bare POST of the same message."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import httpx
import uvloop

from benchmarks.bench import Bench
from benchmarks.measurement import Figure, Series, at_most, in_turns, series
from benchmarks.micro import Timed, timed_async
from benchmarks.servers.beside import serving
from identity.access_identity import AccessIdentity
from identity.credentials.credential import ApiKey, Credential
from identity.secret import Secret
from tools.mcp_service.service import MCPService

_NEED: Final = ApiKey("amap_api_key")
_ARGUMENTS: Final = {"city": "杭州"}
_CALL: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "maps_weather", "arguments": _ARGUMENTS},
}


class _Access:
    """The key is at hand."""

    def __init__(self) -> None:
        self._key = Credential(
            _NEED, AccessIdentity.MACHINE, Secret("sk-benchmark"), expires_at=time.time() + 3600
        )

    async def credential(self) -> Credential:
        return self._key

    def at_hand(self) -> Credential:
        return self._key

    async def renew(self, refused: Credential) -> Credential:
        raise NotImplementedError


def measure(bench: Bench) -> Sequence[Figure]:
    """Both clients in this process, one call after another; the server in its own, and it counts."""
    loop = uvloop.new_event_loop()
    calls = 5 if bench.plan.quick else 500
    with serving("many_tools") as server:
        try:
            took, requests = _measured(server.url, loop, bench.plan.rounds, calls)
        finally:
            loop.close()
    return [
        Figure("a call", "µs", took["call"], "a bare POST", took["POST"], at_most(1.5)),
        Figure("requests a call", "", series(requests), target=at_most(1)),
    ]


def _measured(
    url: str, loop: asyncio.AbstractEventLoop, rounds: int, calls: int
) -> tuple[dict[str, Series], float]:
    service, access, http = MCPService("amap", f"{url}/mcp/1", _NEED), _Access(), httpx.AsyncClient()
    headers = {"Accept": "application/json, text/event-stream", "Authorization": "Bearer sk-benchmark"}

    async def post() -> None:
        answer = await http.post(f"{url}/mcp/1", json=_CALL, headers=headers)
        answer.raise_for_status().json()

    async def call() -> None:
        assert (await service.call("maps_weather", _ARGUMENTS, access)).ok

    def of_one(work: Timed) -> float:
        return work(calls) / calls * 1e6

    async def count() -> float:
        number: float = (await http.get(f"{url}/requests")).json()
        return number

    calling, posting = timed_async(call, loop), timed_async(post, loop)
    calling(2)
    loop.run_until_complete(count())
    calling(calls)
    requests = loop.run_until_complete(count()) / calls
    in_turn = in_turns(rounds, {"call": lambda: of_one(calling), "POST": lambda: of_one(posting)})
    loop.run_until_complete(service.aclose())
    loop.run_until_complete(http.aclose())
    return {name: Series(tuple(values)) for name, values in in_turn.items()}, requests
