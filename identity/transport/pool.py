"""How a client of `httpx` or `httpx2` reaches servers: directly, or through a proxy of the environment."""

import ssl
from types import ModuleType
from typing import Any

from identity.transport.http1.proxy import environment_proxies
from identity.transport.http1.transport import Http1Transport, ThroughProxy
from identity.transport.pool_use import PoolUse


def pooled_transport(
    library: ModuleType,
    ssl_context: ssl.SSLContext | None,
    connections: int,
    use: PoolUse | None = None,
    *,
    proxies: bool = True,
) -> dict[str, Any]:
    """Arguments for the `AsyncClient` of `library` (`httpx` or `httpx2`), for `connections` in total.

    `ssl_context` has the trusted authorities; `None` means the public ones. Addresses for which the
    environment names a proxy are reached through it, unless `proxies` is false. `use` shows the use of the
    connections. Raises `ValueError` as `environment_proxies` does.
    """
    use = use or PoolUse()
    use.limit = connections
    context = ssl_context if ssl_context is not None else library.create_ssl_context()
    transport = Http1Transport(library, context, connections=connections, use=use)
    ways = environment_proxies(library) if proxies else {}
    mounts = {pattern: proxy and ThroughProxy(transport, proxy) for pattern, proxy in ways.items()}
    return {"transport": transport, "mounts": mounts}
