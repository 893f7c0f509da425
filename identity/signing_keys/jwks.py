"""Fetches and caches the signing keys of IDaaS from its JWKS endpoint (RFC 7517)."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

import httpx

from identity.error_codes import IdentityCode
from identity.errors import UnreachableError
from identity.observation.metrics import Histogram
from identity.observation.span import timed_span
from identity.signing_keys.signing_key import SigningKey, signing_key
from identity.single_flight import SingleFlight
from identity.strict_json import read_object
from identity.transport.bounded_response import TransportFailure, send
from identity.transport.secure_url import is_secure_url

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])")
_MIN_SECONDS = 60.0
_MAX_SECONDS = 3600.0
_MAX_BYTES = 128 * 1024
_MAX_KEYS = 64
_FLIGHT_KEY = "jwks"
FETCH: Final = "signing_keys"
"""How a measure names the fetches."""

KeyName = tuple[str | None, str]


@dataclass(eq=False, repr=False, slots=True)
class Jwks:
    """A `KeySource` with one URL, which is configured. URLs in tokens are never used.

    - Keys are fetched when they are first needed, and cached. If they are older than `max_age` seconds (or
      the response's `Cache-Control: max-age`, limited to between 60 s and 1 h), their next use fetches them
      again in the background.
    - An unknown `kid` causes a fetch, at most once a second, and twice at once after a pause. So forged
      tokens cannot overload IDaaS. They can delay the first use of a new key until the next search: by one
      second and the response time of IDaaS.
    - A key that IDaaS withdrew is dropped at the next successful fetch, that is after `max_age`.
    - A failed refresh is repeated after `retry_delay` seconds, or by the next search.
    - At most one request is in flight, however many callers wait.
    - While the endpoint fails, keys are used until they are `max_stale` seconds old.

    Not checked: whether the endpoint belongs to the issuer; the configuration must ensure it.
    For one event loop. `http` must verify certificates; its owner closes it.
    """

    url: str
    http: httpx.AsyncClient
    _: KW_ONLY
    clock: Callable[[], float] = time.time
    timeout: float = 10.0
    """Seconds for a fetch, body included."""
    max_age: float = 300.0
    max_stale: float = 86_400.0
    retry_delay: float = 10.0
    fetches: Histogram = field(default_factory=Histogram)
    """The seconds of fetches, by `FETCH` and the error."""
    _search_due: float = field(init=False, default=float("-inf"))
    _flight: SingleFlight[None] = field(init=False)
    _keys: Mapping[KeyName, SigningKey] = field(init=False, default_factory=dict)
    _fetched_at: float = field(init=False, default=float("-inf"))
    _stale_at: float = field(init=False, default=float("-inf"))
    _next_refresh: float = field(init=False, default=float("-inf"))
    _failure: UnreachableError | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Raises `ValueError` if `url` is not secure."""
        if not is_secure_url(self.url):
            raise ValueError("the JWKS URL must be https, or http to a loopback address")
        self._flight = SingleFlight(lambda: _unavailable("the agent is shutting down"))

    def cached(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """See `KeySource`. Starts a refresh in the background if one is due."""
        now = self.clock()
        if now - self._fetched_at > self.max_stale:
            return None
        if now >= self._stale_at and now >= self._next_refresh and not self._flight.is_closed:
            self._next_refresh = now + self.retry_delay
            self._flight.start(_FLIGHT_KEY, self._fetch)
        return self._keys.get((kid, algorithm))

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """See `KeySource`. Raises `UnreachableError` (`jwks_unavailable`)."""
        key = self.cached(kid, algorithm)
        if key is not None:
            return key
        # The request in flight may have been sent just before the key was published: then one more is sent.
        requests = 2 if _FLIGHT_KEY in self._flight else 1
        for _ in range(requests):
            if _FLIGHT_KEY not in self._flight and not self._may_search():
                break
            await self._flight.run(_FLIGHT_KEY, self._fetch)
            if key := self._keys.get((kid, algorithm)):
                return key
        if self._failure is not None:
            raise UnreachableError(self._failure.code, self._failure.detail)
        if self.clock() - self._fetched_at > self.max_stale:
            raise _unavailable("the keys are too old, and were requested seconds ago")
        return None

    def _may_search(self) -> bool:
        """Whether a fetch for an unknown `kid` is allowed now, which then counts. If the clock is set back,
        one is allowed after a second.
        """
        now = self.clock()
        self._search_due = min(max(self._search_due, now - 1.0), now + 1.0)
        if self._search_due > now:
            return False
        self._search_due += 1.0
        return True

    async def load(self) -> None:
        """Fetches the keys if none are cached: for readiness. Raises `UnreachableError`."""
        if self.clock() - self._fetched_at > self.max_stale:
            await self._flight.run(_FLIGHT_KEY, self._fetch)

    async def aclose(self) -> None:
        """Cancels a fetch that is in flight."""
        await self._flight.aclose()

    async def _fetch(self) -> None:
        requested_at = self.clock()  # the keys are at least as old
        try:
            with timed_span(self.fetches, (FETCH,), FETCH):
                keys, max_age = await self._request()
        except UnreachableError as error:
            self._failure = error
            raise
        self._failure = None
        self._keys = self._reuse_unchanged(keys)
        self._fetched_at = requested_at
        self._stale_at = requested_at + max_age

    async def _request(self) -> tuple[Mapping[KeyName, SigningKey], float]:
        request = self.http.build_request(
            "GET", self.url, headers={"Accept": "application/json"}, timeout=self.timeout
        )
        response = await send(self.http, request, max_bytes=_MAX_BYTES, deadline=self.timeout)
        if isinstance(response, TransportFailure):
            raise _unavailable(response.reason)
        if response.status != 200:
            raise _unavailable("expected status 200, found", response.status)
        max_age = self.max_age
        declared = _MAX_AGE.search(response.headers.get("cache-control", ""))
        if declared is not None:
            max_age = min(max(float(declared[1]), _MIN_SECONDS), _MAX_SECONDS)
        return _keys(response.body), max_age

    def _reuse_unchanged(self, keys: Mapping[KeyName, SigningKey]) -> Mapping[KeyName, SigningKey]:
        """The keys, with the cached object for each unchanged one: the verifier compares by identity."""
        reused = dict(keys)
        for name, key in keys.items():
            cached = self._keys.get(name)
            if cached is not None and cached == key:
                reused[name] = cached
        return reused


def _keys(body: bytes) -> Mapping[KeyName, SigningKey]:
    """The usable keys of a JWKS by `kid` and algorithm; under `None`, the only key of an algorithm."""
    try:
        listed = read_object(body).get("keys")
    except ValueError as error:
        raise _unavailable("the response", error) from None
    if not isinstance(listed, list):
        raise _unavailable('the response has no list "keys"')
    if len(listed) > _MAX_KEYS:
        raise _unavailable("expected at most", _MAX_KEYS, "keys, found", len(listed))
    usable = [key for key in map(signing_key, listed) if key is not None]
    if not usable:
        raise _unavailable("the response has no usable signing key")
    by_name: dict[KeyName, SigningKey] = {}
    for key in usable:
        if key.kid is not None:
            by_name.setdefault((key.kid, key.algorithm), key)
    for algorithm in {key.algorithm for key in usable}:
        only = [key for key in usable if key.algorithm == algorithm]
        if len(only) == 1:
            by_name[(None, algorithm)] = only[0]
    return by_name


def _unavailable(*words: object) -> UnreachableError:
    return UnreachableError(IdentityCode.JWKS_UNAVAILABLE, " ".join(map(str, ("JWKS endpoint:", *words))))
