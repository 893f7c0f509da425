"""The metadata service of Alibaba Cloud ECS, in its hardened mode.

https://help.aliyun.com/zh/ecs/user-guide/view-instance-metadata
A PUT gives a token, which each GET presents.
"""

from typing import Final

from identity.error_codes import IdentityCode
from identity.errors import UnreachableError
from identity.transport.bounded_response import Response, TransportFailure, send
from identity.transport.client import ClientFactory, direct_client

METADATA_ENDPOINT: Final = "http://100.100.100.200"
"""The platform's address; it is the same on every instance."""
_TOKEN_SECONDS: Final = 3600
_MAX_BYTES: Final = 65_536
_DEADLINE: Final = 5.0


class MetadataService:
    """The metadata of the agent's machine, over HTTP at `endpoint`, an origin, without a proxy.

    The connection is plain http, because the platform offers no other; who may answer on the address is up
    to the platform.
    """

    def __init__(self, endpoint: str = METADATA_ENDPOINT, *, http: ClientFactory = direct_client) -> None:
        self.endpoint: Final = endpoint
        self._http = http

    async def read(self, path: str) -> str:
        """The text at `path`, by two requests within five seconds each. Raises `UnreachableError`."""
        async with self._http() as http:
            seconds = {"X-aliyun-ecs-metadata-token-ttl-seconds": str(_TOKEN_SECONDS)}
            request = http.build_request("PUT", f"{self.endpoint}/latest/api/token", headers=seconds)
            token = self._text(await send(http, request, max_bytes=_MAX_BYTES, deadline=_DEADLINE))
            presented = {"X-aliyun-ecs-metadata-token": token}
            request = http.build_request("GET", f"{self.endpoint}{path}", headers=presented)
            return self._text(await send(http, request, max_bytes=_MAX_BYTES, deadline=_DEADLINE))

    def _text(self, response: Response | TransportFailure) -> str:
        if isinstance(response, TransportFailure):
            raise _unavailable(response.reason)
        text = response.body.decode("ascii", "replace")
        if response.status != 200 or not text.isascii() or not text.strip():
            detail = f"expected status 200 and a text, found status {response.status}"
            raise _unavailable(detail)
        return text


def _unavailable(reason: str) -> UnreachableError:
    return UnreachableError(IdentityCode.CLIENT_CREDENTIAL_UNAVAILABLE, f"metadata service: {reason}")
