"""Ports of loopback, and whether a server of LangGraph's API answers there."""

import contextlib
import secrets
import socket
import ssl
from typing import Final

import httpx

_LOWEST: Final = 10_240
_EPHEMERAL: Final = 32_768
"""The first port that Linux gives to connections and to servers that name none."""
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""`verify` of a client that needs no TLS. By default, httpx reads the public roots again for each client."""


def free_port() -> int:
    """A port for a server that starts later: free at the time of the call, and given to nothing else by the
    system meanwhile.
    """
    while True:
        port = _LOWEST + secrets.randbelow(_EPHEMERAL - _LOWEST)  # `random` is seeded alike in all processes
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


def answers(url: str, path: str = "/ok") -> bool:
    """Whether the server is up, by a path that anyone may read."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}{path}", timeout=5).status_code == 200
    return False
