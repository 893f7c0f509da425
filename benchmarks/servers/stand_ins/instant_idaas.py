"""The token endpoint and Developer API of IDaaS without delay, as a minimal HTTP protocol on loopback.

`python -m benchmarks.servers.stand_ins.instant_idaas PORT` serves it. Each token is different and about as
long as those of IDaaS. Not checked: credentials and permissions. Every path but the token endpoint returns an
API key.
"""

import asyncio
import json
import sys
import time
from itertools import count
from typing import Final

_NUMBERS: Final = count()
_TOKEN: Final = "x" * 700
"""Padding to about the length of an IDaaS access token."""
_API_KEY: Final = "sk-" + 32 * "0"


def response_body(path: str, query: str = "") -> bytes:
    """The body of the response to a request."""
    if path.endswith("/token"):
        now = int(time.time())
        token = f"{next(_NUMBERS)}.{_TOKEN}"
        issued = {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "expires_at": now + 3600}
        return json.dumps(issued).encode()
    identifier = query.partition("credentialIdentifier=")[2].partition("&")[0]
    content = {"apiKeyContent": {"apiKey": _API_KEY}}
    members = {"credentialIdentifier": identifier, "credentialType": "api_key", "credentialContent": content}
    return json.dumps(members).encode()


class _Connection(asyncio.Protocol):
    """The subset of HTTP/1.1 that clients of IDaaS use: complete requests, one after another."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            whole = end + 4 + int(length or 0)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            path, _, query = head.split(b" ", 2)[1].decode().partition("?")
            self._send(response_body(path, query))

    def _send(self, body: bytes) -> None:
        assert self._transport is not None
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
