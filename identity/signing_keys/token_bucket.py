"""How often something may be done: a bucket that fills by itself."""


class TokenBucket:
    """`burst` times at once, and `per_second` times a second in the long run (a token bucket).

    Times are seconds of any clock that the caller passes. A clock that is set back costs at most the time
    that it takes to fill the bucket from there.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._left = float(burst)
        self._counted_at: float | None = None

    def take(self, now: float) -> bool:
        """Whether it may be done now; then it counts as done."""
        if self._counted_at is not None:
            filled = max(0.0, now - self._counted_at) * self._per_second
            self._left = min(self._burst, self._left + filled)
        self._counted_at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
