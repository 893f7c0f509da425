"""Caches refusals of the issuer for a short time, so that not every call repeats the request."""

from collections import OrderedDict

from identity.credentials.credential_key import CredentialKey
from identity.error_copy import copy_error
from identity.errors import CredentialError


class RefusalCache:
    """Refusals by holder and requirement, for `seconds` each: a restored permission takes effect after that.

    At most `capacity` are cached; the oldest is evicted first.
    """

    def __init__(self, seconds: float, capacity: int) -> None:
        self._seconds = seconds
        self._capacity = capacity
        # All are cached for the same time, so the insertion order is the order of expiry.
        self._until: OrderedDict[CredentialKey, tuple[float, CredentialError]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: CredentialKey, error: CredentialError, now: float) -> None:
        """Caches the refusal of `key` at `now`."""
        self._until.pop(key, None)
        # A copy, without the frames of the request that received the error.
        self._until[key] = (now + self._seconds, copy_error(error))
        while self._until:
            oldest, (until, _) = next(iter(self._until.items()))
            if len(self._until) <= self._capacity and now < until:
                break
            del self._until[oldest]

    def raise_if_recent(self, key: CredentialKey, now: float) -> None:
        """Raises a copy of the refusal of `key` while it is cached."""
        if (error := self._recent(key, now)) is not None:
            raise copy_error(error)

    def _recent(self, key: CredentialKey, now: float) -> CredentialError | None:
        if key not in self._until:
            return None
        until, error = self._until[key]
        # If the clock is set back, a refusal must not be cached longer.
        return error if until - self._seconds <= now < until else None
