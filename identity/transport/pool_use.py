"""The use of a client's connections, for the metrics."""


class PoolUse:
    """How many requests of a client are in flight, and how many connections it may have."""

    __slots__ = ("in_use", "limit")

    def __init__(self) -> None:
        self.in_use = self.limit = 0
