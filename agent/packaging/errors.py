"""What stops a package from being built."""

from collections.abc import Sequence


class PackagingError(Exception):
    """Nothing was written that could be deployed. `faults` has every reason; none contains a secret."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)
