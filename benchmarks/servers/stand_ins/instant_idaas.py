"""The token endpoint and Developer API of IDaaS without delay, as a minimal HTTP protocol on loopback.

`python -m benchmarks.servers.stand_ins.instant_idaas PORT` serves it. Each token is different, about as
long as those of IDaaS, and has the subject of the exchanged one. Not checked: credentials and permissions.
Every path but the token endpoint returns an API key.
"""

import asyncio
import base64
import json
import sys
import time
from itertools import count
from typing import Final
from urllib.parse import parse_qs

_NUMBERS: Final = count()
_SIGNATURE: Final = "x" * 560
"""Padding to about the length of an IDaaS access token."""
_API_KEY: Final = "sk-" + 32 * "0"


def _token(form: bytes) -> str:
    """A JWT of the subject of the form's subject token, or of the agent."""
    subject = "app_agent01"
    if exchanged := parse_qs(form.decode()).get("subject_token"):
        claims = exchanged[0].split(".")[1]
        subject = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
    parts = ({"alg": "RS256", "typ": "JWT"}, {"sub": subject, "jti": str(next(_NUMBERS))})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, _SIGNATURE])


def response_body(path: str, query: str = "", form: bytes = b"") -> bytes:
    """The body of the response to a request."""
    if path.endswith("/token"):
        now = int(time.time())
        issued = {
            "access_token": _token(form),
            "token_type": "Bearer",
            "expires_in": 3600,
            "expires_at": now + 3600,
        }
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
            form, self._received = self._received[end + 4 : whole], self._received[whole:]
            path, _, query = head.split(b" ", 2)[1].decode().partition("?")
            self._send(response_body(path, query, form))

    def _send(self, body: bytes) -> None:
        assert self._transport is not None
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
