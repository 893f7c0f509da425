"""A request that carries credentials to its own URL, and to no other one.

A client that follows redirects makes another request of the first one's headers and extensions; `httpx` takes
out `Authorization` at another origin, and nothing else. So the credentials are no part of what is copied: the
headers of a carrying request have them where a transport and a look-up read them, and lack them where they
are listed. For requests of `httpx` and of `httpx2`, which have the same interface.
"""

import logging
import sys
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from identity.secrets.secret import Secret

Attach = Callable[[Any], None]
"""Adds credentials to a request, as `Placement.attach` does."""
_KEPT: Final = "https://kept.invalid/"
_ELSEWHERE: Final = "https://elsewhere.invalid/"


def attach_to(request: Any, attach: Attach) -> None:  # noqa: ANN401 - of either library
    """Adds it to `request` itself: for a client that follows no redirect."""
    attach(request)


def carry(request: Any, attach: Attach) -> None:  # noqa: ANN401 - of either library
    """Makes `request` carry what `attach` adds to it, in place of what it carried before.

    Raises `ValueError`, without a value: what `attach` raises, and if this version of the library would copy
    the credentials when it follows a redirect.
    """
    if not _is_kept(_library_of(request)):
        library = type(request).__module__.partition(".")[0]
        raise ValueError(f"this version of {library} would send the credential along with a redirect")
    _carry(request, attach)


def _carry(request: Any, attach: Attach) -> None:  # noqa: ANN401 - of either library
    state = vars(request)
    state.pop("carried", None)
    kind: Any = request.kind if isinstance(request, _Carrying) else type(request)
    copied = kind(
        request.method,
        state["url"],
        headers=state["headers"],
        stream=request.stream,
        extensions=request.extensions,
    )
    attach(copied)
    headers = {
        name: Secret(value) for name, value in copied.headers.items() if state["headers"].get(name) != value
    }
    target = copied.extensions.get("target")
    secret_target = None if target is None else Secret(target.decode("ascii"))
    state["carried"] = _Carried(headers, secret_target)
    request.__class__ = _carrying(kind)


class _Carried:
    """The headers, and the target with a query parameter, of one request."""

    __slots__ = ("headers", "target")

    def __init__(self, headers: dict[str, Secret], target: Secret | None) -> None:
        self.headers = headers
        self.target = target


class _Carrying:
    """The members of a carrying request in place of the attributes of its class. Whoever sets them to
    anything, such as a tracer that adds a header, does not take the credentials out; another URL does.
    """

    kind: type[Any]

    @property
    def headers(self) -> Any:  # noqa: ANN401 - as the library's
        plain, carried = vars(self)["headers"], vars(self).get("carried")
        return plain if carried is None else _CarryingHeaders(plain, carried.headers)

    @headers.setter
    def headers(self, headers: Any) -> None:  # noqa: ANN401 - as above
        vars(self)["headers"] = headers

    @property
    def url(self) -> Any:  # noqa: ANN401 - as above
        plain, carried = vars(self)["url"], vars(self).get("carried")
        if carried is None or carried.target is None:
            return plain
        kind: Any = type(plain)
        keyed = _keyed(kind)(plain)
        keyed.target = carried.target
        return keyed

    @url.setter
    def url(self, url: Any) -> None:  # noqa: ANN401 - as above
        if url != vars(self)["url"]:
            vars(self).pop("carried", None)
        vars(self)["url"] = url


@lru_cache(16)
def _carrying(kind: Any) -> type[Any]:  # noqa: ANN401 - a class of requests
    return type(kind.__name__, (_Carrying, kind), {"kind": kind})


class _CarryingHeaders(MutableMapping[str, str]):
    """The headers `plain`, and the `carried` ones for a transport (`raw`) and for who asks by name."""

    def __init__(self, plain: Any, carried: dict[str, Secret]) -> None:  # noqa: ANN401 - of either library
        self._plain = plain
        self._carried = carried

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        others = [pair for pair in self._plain.raw if pair[0].decode("latin-1").lower() not in self._carried]
        added = [(name.encode(), secret.reveal().encode()) for name, secret in self._carried.items()]
        return others + added

    def __getitem__(self, name: str) -> str:
        secret = self._carried.get(name.lower())
        return str(self._plain[name]) if secret is None else secret.reveal()

    def __setitem__(self, name: str, value: str) -> None:
        self._carried.pop(name.lower(), None)
        self._plain[name] = value

    def __delitem__(self, name: str) -> None:
        if self._carried.pop(name.lower(), None) is None:
            del self._plain[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plain)

    def __len__(self) -> int:
        return len(self._plain)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - what else the library's headers have
        return getattr(self._plain, name)

    def __repr__(self) -> str:
        return repr(self._plain)


@lru_cache(16)
def _keyed(kind: Any) -> type[Any]:  # noqa: ANN401 - a class of URLs
    """A URL that a transport reads with the query parameter, and that is shown and copied without."""

    def raw_path(self: Any) -> bytes:  # noqa: ANN401 - of either library
        target: Secret = self.target
        return target.reveal().encode("ascii")

    def query(self: Any) -> bytes:  # noqa: ANN401 - of either library
        return raw_path(self).partition(b"?")[2]

    return type(kind.__name__, (kind,), {"raw_path": property(raw_path), "query": property(query)})


def _library_of(request: Any) -> Any:  # noqa: ANN401 - of either library
    kind = request.kind if isinstance(request, _Carrying) else type(request)
    base = next(base for base in kind.__mro__ if base.__module__.partition(".")[0] in ("httpx", "httpx2"))
    return sys.modules[base.__module__.partition(".")[0]]


@lru_cache(16)
def _is_kept(library: Any) -> bool:  # noqa: ANN401 - a module
    """Whether a client of `library` copies nothing of what is carried to the request that follows a redirect:
    tried once, without a connection.
    """
    canary = "canary-of-a-redirect"

    def attach(request: Any) -> None:  # noqa: ANN401 - of the library
        request.headers["X-API-Key"] = canary
        request.headers["Authorization"] = f"Bearer {canary}"
        request.extensions["target"] = f"/?key={canary}".encode()

    arrived: list[str] = []

    def respond(request: Any) -> Any:  # noqa: ANN401 - of the library
        arrived.append(f"{request.headers.raw} {request.url.raw_path!r} {request.extensions}")
        return library.Response(307, headers={"Location": _ELSEWHERE})

    request = library.Request("GET", _KEPT)
    _carry(request, attach)
    transport = library.MockTransport(respond)
    with _unlogged(library.__name__), library.Client(transport=transport, trust_env=False) as client:
        following = client.send(request, follow_redirects=False).next_request
    copied = f"{following.headers.raw} {following.url.raw_path!r} {following.extensions}"
    return arrived[0].count(canary) == 3 and canary not in copied


@contextmanager
def _unlogged(name: str) -> Iterator[None]:
    """The requests of this thread are not logged in the block."""
    logger, thread = logging.getLogger(name), threading.get_ident()

    def is_of_another(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(is_of_another)
    try:
        yield
    finally:
        logger.removeFilter(is_of_another)
