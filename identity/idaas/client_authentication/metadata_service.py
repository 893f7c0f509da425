"""The metadata service of Alibaba Cloud ECS, in its hardened mode.

https://help.aliyun.com/zh/ecs/user-guide/view-instance-metadata
A PUT gives a token, which each GET presents.
"""

from dataclasses import dataclass
from typing import Final

import httpx

from identity.idaas.client_authentication.method import unavailable
from identity.idaas.token_response import read_refusal
from identity.transport.bounded_response import TransportFailure, send
from identity.transport.client import direct_client

METADATA_ENDPOINT: Final = "http://100.100.100.200"
"""The platform's address; it is the same on every instance."""
_TOKEN_SECONDS: Final = 3600
_MAX_BYTES: Final = 65_536
_DEADLINE: Final = 5.0


@dataclass(frozen=True, slots=True)
class MetadataService:
    """The metadata of the agent's machine, over HTTP at `endpoint`, an origin, without a proxy.

    The connection is plain http, because the platform offers no other; who may answer on the address is up
    to the platform.
    """

    endpoint: str = METADATA_ENDPOINT

    async def read(self, path: str) -> str:
        """The text at `path`, by two requests within five seconds each. Raises `UnreachableError`."""
        async with direct_client() as http:
            seconds = {"X-aliyun-ecs-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
            request = http.build_request("PUT", f"{self.endpoint}/latest/api/token", headers=seconds)
            token = _text(await fetched(http, request, "metadata service"))
            presented = {"X-aliyun-ecs-metadata-token": token}
            request = http.build_request("GET", f"{self.endpoint}{path}", headers=presented)
            return _text(await fetched(http, request, "metadata service"))


async def fetched(
    http: httpx.AsyncClient, request: httpx.Request, server: str, deadline: float = _DEADLINE
) -> bytes:
    """The body of the response of `server`, whose status is 200. Raises `UnreachableError`."""
    response = await send(http, request, max_bytes=_MAX_BYTES, deadline=deadline)
    if isinstance(response, TransportFailure):
        raise unavailable(f"{server}: {response.reason}")
    if response.status != 200:
        raise unavailable(f"{server}: {read_refusal(response)}")
    return response.body


def _text(body: bytes) -> str:
    if not body.isascii() or not body.strip():
        raise unavailable("metadata service: the response is no text")
    return body.decode("ascii")
