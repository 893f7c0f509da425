"""TLS without input and output: bytes of the network in, bytes of the application out, and back.

One connection takes about 37 KiB, nearly all of it OpenSSL's own (`docs/performance.md`). An event loop's TLS
keeps a buffer besides.
"""

import ssl
from typing import Final

_READ_BYTES: Final = 262_144


class Tls:
    """The client's side of one connection. `host` is the name that the certificate must have.

    With `outer`, the bytes of the network are those of another TLS, which a proxy ends.
    """

    def __init__(self, context: ssl.SSLContext, host: str, outer: "Tls | None" = None) -> None:
        self._outer: Final = outer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object: Final = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.ready = False
        """Whether the handshake is complete and the certificate verified."""
        self.ended = False
        """Whether the server has ended TLS (close_notify): nothing follows."""

    def receive(self, data: bytes) -> bytes:
        """The application's bytes in `data`. Raises `ssl.SSLError`, also for a refused certificate."""
        if self._outer is not None:
            data = self._outer.receive(data)
            self.ended = self._outer.ended
        self._incoming.write(data)
        if not self.ready and not self.handshake():
            return b""
        received = []
        try:
            while part := self._object.read(_READ_BYTES):
                received.append(part)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        return received[0] if len(received) == 1 else b"".join(received)

    def encrypt(self, data: bytes) -> bytes:
        """Bytes for the network. The handshake must be complete."""
        self._object.write(data)
        return self.pending()

    def pending(self) -> bytes:
        """Bytes that TLS itself has to send: messages of the handshake, updates of keys, alerts."""
        data = self._outgoing.read() if self._outgoing.pending else b""
        if self._outer is None:
            return data
        return self._outer.encrypt(data) if data else self._outer.pending()

    def handshake(self) -> bool:
        """Makes the next message of the handshake, the first one too. Whether it is complete."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        self.ready = True
        return True
