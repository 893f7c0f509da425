"""How long requests to the issuer take, by what they request and how they end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from identity.measures import Distribution
from identity.tracing.error_type import SUCCESS, error_type


class IssueMeasure:
    """Seconds of requests, with all their attempts; its labels are the operation and the error."""

    def __init__(self) -> None:
        self.seconds = Distribution()

    @contextmanager
    def of(self, operation: str) -> Iterator[None]:
        """Measures the block, one request for `operation`."""
        began = time.perf_counter()
        failure = SUCCESS
        try:
            yield
        except BaseException as error:
            failure = error_type(error)
            raise
        finally:
            self.seconds.observe(time.perf_counter() - began, operation, failure)
