"""Recent refusals of the issuer, so that not every request is sent to it again."""

from collections import OrderedDict

from identity.credentials.cache import CredentialKey
from identity.error_copy import copy_error
from identity.errors import CredentialError


class RefusalCache:
    """By holder and need, for `seconds` after the refusal: a right that is given back works again then.

    At most `capacity` are remembered; the oldest leave first.
    """

    def __init__(self, seconds: float, capacity: int) -> None:
        self._seconds = seconds
        self._capacity = capacity
        # All last equally long, so the order of arrival is the order in which they end.
        self._until: OrderedDict[CredentialKey, tuple[float, CredentialError]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, key: CredentialKey, error: CredentialError, now: float) -> None:
        """The issuer refused `key` at `now`."""
        self._until.pop(key, None)
        self._until[key] = (
            now + self._seconds,
            copy_error(error),
        )  # without the frames of the request that received it
        while self._until:
            oldest, (until, _) = next(iter(self._until.items()))
            if len(self._until) <= self._capacity and now < until:
                break
            del self._until[oldest]

    def raise_if_recent(self, key: CredentialKey, now: float) -> None:
        """Raises a copy of the refusal of `key` while it is cached."""
        if (error := self._recent(key, now)) is not None:
            raise copy_error(error)

    def is_recent(self, key: CredentialKey, now: float) -> bool:
        """Whether a refusal of `key` is remembered."""
        return self._recent(key, now) is not None

    def _recent(self, key: CredentialKey, now: float) -> CredentialError | None:
        if key not in self._until:
            return None
        until, error = self._until[key]
        # A clock that was set back must not make a refusal last longer.
        return error if until - self._seconds <= now < until else None
