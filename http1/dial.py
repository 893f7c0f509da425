"""Connects to a host: several of its addresses are tried at once, and the first that accepts is used.

An address that does not respond costs a quarter of a second, not the whole time limit (RFC 8305).
"""

import asyncio
import socket
import ssl
from asyncio.staggered import staggered_race
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeAlias

from http1.connection import Connection
from http1.proxy import Proxy
from http1.tls import Tls

STAGGER_SECONDS: Final = 0.25
"""How long the next address waits for the one before it."""

_Address: TypeAlias = tuple[socket.AddressFamily, Any]


async def dial(host: str, port: int, ssl_context: ssl.SSLContext | None) -> Connection:
    """A connection to `host`, with TLS if `ssl_context` is given. Its caller bounds the time.

    Raises `OSError`; `ssl.SSLError` is a subclass.
    """
    connected = await _first_connected(await _addresses(host, port))
    try:
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(None if ssl_context is None else Tls(ssl_context, host)), sock=connected
        )
    except BaseException:
        connected.close()
        raise
    try:
        await connection.secured()
    except BaseException:
        connection.abort()
        raise
    return connection


async def dial_through(
    proxy: Proxy, host: str, port: int, ssl_context: ssl.SSLContext, *, secure: bool
) -> Connection:
    """A connection to `host` through a tunnel of `proxy` if it is `secure`, else a connection to `proxy`.

    Raises `OSError`, `MalformedResponseError` or `TunnelRefusedError`.
    """
    to_proxy = ssl_context if proxy.secure else None
    connection = await dial(proxy.host, proxy.port, to_proxy)
    if secure:
        try:
            await connection.tunnel(proxy.connect(host, port), ssl_context, host)
        except BaseException:
            connection.abort()
            raise
    return connection


async def _addresses(host: str, port: int) -> Sequence[_Address]:
    """The addresses of the name. An address is used as it is, because a look-up needs a thread."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            socket.inet_pton(family, host)
            return [(family, (host, port))]
    results = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, *_, address in results]


async def _first_connected(addresses: Sequence[_Address]) -> socket.socket:
    if len(addresses) == 1:
        return await _connected(*addresses[0])
    attempts = [partial(_connected, *address) for address in addresses]
    connected: socket.socket | None
    connected, _, failures = await staggered_race(attempts, STAGGER_SECONDS)
    if connected is None:
        raise next(filter(None, reversed(failures)), OSError("the host has no address"))
    return connected


async def _connected(family: socket.AddressFamily, address: Any) -> socket.socket:  # noqa: ANN401 - by family
    # An event loop sends small requests at once (TCP_NODELAY) only on sockets that name their protocol.
    connecting = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        connecting.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connecting, address)
    except BaseException:
        connecting.close()
        raise
    return connecting
