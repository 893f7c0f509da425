"""How long a credential is good for, and when to fetch the next one. Times are unix seconds."""

from dataclasses import dataclass

_SKEW = 30.0  # the clocks of the agent and of the service may differ by this much


@dataclass(frozen=True, slots=True)
class Freshness:
    """Until `refresh_at` a credential is used as it is; from then on, its use fetches the next one in the
    background; from `stale_at` on, the next one is fetched first, and the old one used only if IDaaS does
    not answer; from `expires_at` on it is not used.
    """

    refresh_at: float
    stale_at: float
    expires_at: float


def token_freshness(obtained_at: float, expires_at: float, jitter: float) -> Freshness:
    """Of an access token. `jitter`, from 0 to 1, brings the refresh forward, never back.

    The refresh begins `max(60 s, 10 %)` of the lifetime before the end, the use ends 30 s before it. For a
    lifetime so short that this would leave little, half and a tenth of it take their place.
    """
    lifetime = expires_at - obtained_at
    window = min(max(60.0, lifetime / 10), lifetime / 2)
    end = expires_at - min(_SKEW, lifetime / 10)
    return Freshness(refresh_at=expires_at - window * (1 + jitter / 5), stale_at=end, expires_at=end)


def api_key_freshness(obtained_at: float, max_age: float, max_stale: float, jitter: float) -> Freshness:
    """Of an API key, which has no end of its own: read again after `max_age`, and used up to `max_stale`
    without IDaaS confirming it.
    """
    window = max_age / 10
    return Freshness(
        refresh_at=obtained_at + max_age - window * (1 + jitter / 5),
        stale_at=obtained_at + max_age,
        expires_at=obtained_at + max(max_age, max_stale),
    )
