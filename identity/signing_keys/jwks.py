"""Fetches and caches the signing keys of IDaaS from its JWKS endpoint (RFC 7517)."""

import re
import time
from collections.abc import Callable, Mapping
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
_MIN_SECONDS, _MAX_SECONDS = 60.0, 3600.0
_MAX_BYTES = 128 * 1024
_MAX_KEYS = 64
_FLIGHT_KEY = "jwks"
FETCH: Final = "signing_keys"
"""How a measure names the fetches."""

KeyName = tuple[str | None, str]


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

    def __init__(
        self,
        url: str,
        http: httpx.AsyncClient,
        *,
        clock: Callable[[], float] = time.time,
        timeout: float = 10.0,
        max_age: float = 300.0,
        max_stale: float = 86_400.0,
        retry_delay: float = 10.0,
        fetches: Histogram | None = None,
    ) -> None:
        """`timeout` in seconds bounds a fetch, body included. `fetches` has the seconds of fetches, by
        `FETCH` and the error. Raises `ValueError` if `url` is not secure."""
        if not is_secure_url(url):
            raise ValueError("the JWKS URL must be https, or http to a loopback address")
        self._url = url
        self._http = http
        self._clock = clock
        self._timeout = timeout
        self._max_age = max_age
        self._max_stale = max_stale
        self._retry_delay = retry_delay
        self._search_due = float("-inf")
        self._flight = SingleFlight[None](lambda: _unavailable("the agent is shutting down"))
        self._keys: Mapping[KeyName, SigningKey] = {}
        self._fetched_at = float("-inf")
        self._stale_at = float("-inf")
        self._next_refresh = float("-inf")
        self._failure: UnreachableError | None = None
        self._fetches = fetches or Histogram()

    def cached(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """See `KeySource`. Starts a refresh in the background if one is due."""
        now = self._clock()
        if now - self._fetched_at > self._max_stale:
            return None
        if now >= self._stale_at and now >= self._next_refresh and not self._flight.is_closed:
            self._next_refresh = now + self._retry_delay
            self._flight.start(_FLIGHT_KEY, self._fetch)
        return self._keys.get((kid, algorithm))

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """See `KeySource`. Raises `UnreachableError` (`jwks_unavailable`)."""
        key = self.cached(kid, algorithm)
        if key is not None:
            return key
        # The request in flight may have been sent just before the key was published: then one more is sent.
        for _ in range(2 if _FLIGHT_KEY in self._flight else 1):
            if _FLIGHT_KEY not in self._flight and not self._may_search():
                break
            await self._flight.run(_FLIGHT_KEY, self._fetch)
            if key := self._keys.get((kid, algorithm)):
                return key
        if self._failure is not None:
            raise UnreachableError(self._failure.code, self._failure.detail)
        if self._clock() - self._fetched_at > self._max_stale:
            raise _unavailable("the keys are too old, and were requested seconds ago")
        return None

    def _may_search(self) -> bool:
        """Whether a fetch for an unknown `kid` is allowed now, which then counts. If the clock is set back,
        one is allowed after a second.
        """
        now = self._clock()
        self._search_due = min(max(self._search_due, now - 1.0), now + 1.0)
        if self._search_due > now:
            return False
        self._search_due += 1.0
        return True

    async def load(self) -> None:
        """Fetches the keys if none are cached: for readiness. Raises `UnreachableError`."""
        if self._clock() - self._fetched_at > self._max_stale:
            await self._flight.run(_FLIGHT_KEY, self._fetch)

    async def aclose(self) -> None:
        """Cancels a fetch that is in flight."""
        await self._flight.aclose()

    async def _fetch(self) -> None:
        requested_at = self._clock()  # the keys are at least as old
        try:
            with timed_span(self._fetches, (FETCH,), FETCH):
                keys, max_age = await self._request()
        except UnreachableError as error:
            self._failure = error
            raise
        self._failure = None
        self._keys = self._reuse_unchanged(keys)
        self._fetched_at, self._stale_at = requested_at, requested_at + max_age

    async def _request(self) -> tuple[Mapping[KeyName, SigningKey], float]:
        request = self._http.build_request(
            "GET", self._url, headers={"Accept": "application/json"}, timeout=self._timeout
        )
        response = await send(self._http, request, max_bytes=_MAX_BYTES, deadline=self._timeout)
        if isinstance(response, TransportFailure):
            raise _unavailable(response.reason)
        if response.status != 200:
            raise _unavailable("expected status 200, found", response.status)
        found = _MAX_AGE.search(response.headers.get("cache-control", ""))
        max_age = self._max_age if found is None else min(max(float(found[1]), _MIN_SECONDS), _MAX_SECONDS)
        return _keys(response.body), max_age

    def _reuse_unchanged(self, keys: Mapping[KeyName, SigningKey]) -> Mapping[KeyName, SigningKey]:
        """The keys, with the known object for each unchanged one: the verifier compares by identity."""
        known = self._keys
        return {name: known[name] if known.get(name) == key else key for name, key in keys.items()}


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
