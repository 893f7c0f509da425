"""The model of `services` over TLS, whose streams wait until they are released.

    python -m benchmarks.servers.slow_model PORT TLS_PORT CERTIFICATE KEY

The model is on `TLS_PORT`. On `PORT` are `PUT /delays` and `GET /waiting` as there, and `PUT /release`: the
streams that wait begin within `seconds`, one after another, or all at once if it is 0. A question that
contains "Respond at once" does not wait.
"""

import asyncio
import ssl
import sys
from typing import Any

import orjson
import uvloop

from benchmarks.servers.services import Connection, Delays


class ReleasedConnection(Connection):
    """`waiting` has the connections whose stream waits."""

    def __init__(self, delays: Delays, waiting: set[Any]) -> None:
        super().__init__(delays)
        self._held = waiting

    def _respond(self, method: bytes, path: bytes, body: bytes) -> None:
        if path == b"/release":
            seconds, total = orjson.loads(body)["seconds"], max(len(self._held), 200)
            for number, connection in enumerate(list(self._held)):
                connection.release(seconds * number / total)
            self._send(b"200 OK", b"application/json", b"{}")
        elif b"Respond at once" in body:
            delays, self._delays = self._delays, Delays()
            super()._respond(method, path, body)
            self._delays = delays
        else:
            super()._respond(method, path, body)

    def _begin(self, waits: int) -> None:
        super()._begin(waits)
        (self._held.add if waits else self._held.discard)(self)

    def release(self, seconds: float) -> None:
        """The first token of the stream is due in so many seconds."""
        if self._later is not None and self._due is not None:
            self._later.cancel()
            self._later = asyncio.get_running_loop().call_later(seconds, self._due)


async def serve(port: int, tls_port: int, certificate: str, key: str) -> None:
    """Serves on loopback until the process ends."""
    delays, waiting = Delays(), set[Any]()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    for number, tls in ((port, None), (tls_port, context)):
        await loop.create_server(
            lambda: ReleasedConnection(delays, waiting), "127.0.0.1", number, ssl=tls, backlog=4096
        )
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]))
