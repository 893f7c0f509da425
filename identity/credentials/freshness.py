"""Until when a credential is used, and when the next one is fetched. Times are unix seconds."""

from dataclasses import dataclass

_SKEW = 30.0  # the clocks of the agent and of a service may differ by so many seconds


@dataclass(frozen=True, slots=True)
class Freshness:
    """The three times in the life of a credential.

    From `refresh_at` on, using it fetches the next one in the background. From `stale_at` on, the next one is
    fetched before use, and this one is used only if the issuer does not respond. From `expires_at` on it is
    not used.
    """

    refresh_at: float
    stale_at: float
    expires_at: float


def token_freshness(obtained_at: float, expires_at: float, jitter: float) -> Freshness:
    """The times of an access token. `jitter`, from 0 to 1, makes the refresh earlier, never later.

    The refresh begins 60 s or 10 % of the lifetime before the end, whichever is more, but not before half of
    the lifetime. The use ends 30 s or 10 % of the lifetime before the end, whichever is less.
    """
    lifetime = expires_at - obtained_at
    window = min(max(60.0, lifetime / 10), lifetime / 2)
    end = expires_at - min(_SKEW, lifetime / 10)
    return Freshness(refresh_at=expires_at - window * (1 + jitter / 5), stale_at=end, expires_at=end)


def api_key_freshness(obtained_at: float, max_age: float, max_stale: float, jitter: float) -> Freshness:
    """The times of an API key, which does not expire.

    It is read again after `max_age` seconds, and used for up to `max_stale` seconds without confirmation by
    the issuer.
    """
    window = max_age / 10
    return Freshness(
        refresh_at=obtained_at + max_age - window * (1 + jitter / 5),
        stale_at=obtained_at + max_age,
        expires_at=obtained_at + max(max_age, max_stale),
    )
