"""How a client of `httpx` or `httpx2` reaches servers: over its own connections, or through a proxy."""

import ssl
from types import ModuleType
from typing import Any
from urllib.request import getproxies

from identity.transport.http1.idle_connections import KEEPALIVE_SECONDS
from identity.transport.http1.transport import Http1Transport
from identity.transport.pool_use import PoolUse


def pooled_transport(
    library: ModuleType,
    ssl_context: ssl.SSLContext | None,
    connections: int,
    use: PoolUse | None = None,
) -> dict[str, Any]:
    """Arguments for the `AsyncClient` of `library` (`httpx` or `httpx2`), for `connections` in total.

    `ssl_context` has the trusted authorities; `None` means the public ones. If the environment names a proxy,
    the library's own transport is used, which knows proxies. `use` shows the use of the connections.
    """
    use = use or PoolUse()
    use.limit = connections
    context = ssl_context if ssl_context is not None else library.create_ssl_context()
    if getproxies():
        limits = library.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=KEEPALIVE_SECONDS,
        )
        return {"verify": context, "limits": limits}
    return {"transport": Http1Transport(library, context, connections=connections, use=use)}
