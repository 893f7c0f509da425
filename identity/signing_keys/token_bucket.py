"""Limits how often something is done."""


class TokenBucket:
    """Allows `burst` times at once, and `per_second` times a second on average.

    Times are seconds by any clock. If the clock is set back, the bucket continues to fill from that time.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._left = float(burst)
        self._counted_at: float | None = None

    def take(self, now: float) -> bool:
        """Whether it is allowed at `now`. If it is, one token is taken."""
        if self._counted_at is not None:
            filled = max(0.0, now - self._counted_at) * self._per_second
            self._left = min(self._burst, self._left + filled)
        self._counted_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
