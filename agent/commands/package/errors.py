"""The error of a package that cannot be built."""

from collections.abc import Sequence


class PackagingError(Exception):
    """No package was written. `faults` has every reason; none contains a secret."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)
