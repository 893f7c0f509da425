"""HTTP proxies of the environment: HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, except for hosts in NO_PROXY."""

import base64
import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import ModuleType
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

import httpx

_PORTS: Final = {"http": 80, "https": 443}
_SUFFIX: Final = "_proxy"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy at `host`, reached by TLS if `secure`.

    Requests to https go through a tunnel (RFC 9110, section 9.3.6); it receives those to http.
    """

    secure: bool
    host: str
    port: int
    authorization: bytes = field(repr=False)
    """The header that authenticates the agent, with its line end, or nothing."""

    def connect(self, host: str, port: int) -> bytes:
        """The request for a tunnel to `host`."""
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        target = authority.encode("ascii")
        return b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (target, target, self.authorization)


def environment_proxies(library: ModuleType) -> dict[str, Proxy | None]:
    """The proxy for each pattern of URLs, as `library` (`httpx` or `httpx2`) matches them; `None` is none.

    Empty if the environment names no proxy. Entries of NO_PROXY are read as the library reads them;
    malformed ones are ignored. Raises `ValueError` for a proxy of another kind; the text has no value.
    """
    environment = _USED.get().proxies()
    ways: dict[str, Proxy | None] = {}
    for scheme in ("http", "https", "all"):
        if url := environment.get(scheme):
            ways[f"{scheme}://"] = _proxy(url, f"{scheme.upper()}_PROXY")
    without = [host.strip() for host in environment.get("no", "").split(",")] if ways else []
    if "*" in without:
        return {}
    for pattern in map(_pattern, filter(None, without)):
        with suppress(library.InvalidURL):
            library.Client(transport=library.BaseTransport(), mounts={pattern: None})
            ways[pattern] = None
    return ways


@dataclass(frozen=True, slots=True)
class ProxyVariables:
    """Where clients get their proxies from: these variables, which may have passwords. `None`: the
    environment of the process.
    """

    variables: Mapping[str, str] | None = field(default=None, repr=False)

    @contextmanager
    def used(self) -> Iterator[None]:
        """Clients that are made in the block get their proxies from here."""
        outer = _USED.set(self)
        try:
            yield
        finally:
            _USED.reset(outer)

    def proxies(self) -> Mapping[str, str]:
        """The proxies by their schemes, as `getproxies` has them: of two names, the one in small letters."""
        if self.variables is None:
            return getproxies()
        ordered = sorted(self.variables.items(), key=lambda variable: variable[0].islower())
        named = {name.lower(): value for name, value in ordered}
        return {name.removesuffix(_SUFFIX): value for name, value in named.items() if name.endswith(_SUFFIX)}


OF_PROCESS: Final = ProxyVariables()
_USED: Final[ContextVar[ProxyVariables]] = ContextVar("http1.proxies", default=OF_PROCESS)


def proxy_of(url: str) -> Proxy | None:
    """The proxy through which requests of the agent to `url` go; `None`: they go directly. The client library
    itself decides.
    """
    taken: list[Proxy | None] = []

    def way(proxy: Proxy | None) -> httpx.MockTransport:
        def answer(_: httpx.Request) -> httpx.Response:
            taken.append(proxy)
            return httpx.Response(httpx.codes.OK)

        return httpx.MockTransport(answer)

    mounts = {pattern: way(proxy) for pattern, proxy in environment_proxies(httpx).items()}
    with httpx.Client(transport=way(None), mounts=mounts) as client:
        client.head(url)
    [proxy] = taken
    return proxy


def _proxy(url: str, variable: str) -> Proxy:
    if "://" not in url:
        url = f"http://{url}"
    try:
        parts = urlsplit(url)
        scheme = parts.scheme
        host = parts.hostname
        port = parts.port
    except ValueError:
        host = None
    if not host or scheme not in _PORTS:
        raise ValueError(f"{variable} must be the URL of an HTTP proxy (http://host:port)") from None
    authorization = b""
    if parts.username or parts.password:
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        authorization = b"Proxy-Authorization: Basic %b\r\n" % base64.b64encode(pair.encode())
    return Proxy(scheme == "https", host, port or _PORTS[scheme], authorization)


def _pattern(host: str) -> str:
    """An entry of NO_PROXY: a URL, an address, or a name, which includes the names below it. The libraries
    match no network: of one they read the address."""
    if "://" in host:
        return host
    address, slash, prefix = host.partition("/")
    with suppress(ValueError):
        if ipaddress.ip_address(address).version == 6:
            return f"all://[{address}]{slash}{prefix}"
        return f"all://{host}"
    if host.lower() == "localhost" or host.startswith(("[", "*.")):
        return f"all://{host}"
    return f"all://*{host}"
