"""What is observed of requests to the issuer: how long they take, what they request, and how they end."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from identity.observation.attribute import Attribute
from identity.observation.metrics import SUCCESS, Metrics, error_type
from identity.observation.span import Span, started_span


class IssueMeasure:
    """Seconds of requests, with all their attempts; its labels are the operation and the error."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.seconds = (metrics or Metrics()).histogram(
            "idaas_agent.idaas.request.duration",
            "Requests to IDaaS with all their attempts, by what they request and the error's code",
            labels=(Attribute.ISSUE, Attribute.ERROR_TYPE),
        )

    @contextmanager
    def of(self, operation: str) -> Iterator[Span]:
        """Measures the block, one request for `operation`. Yields its span."""
        began = time.perf_counter()
        failure = SUCCESS
        try:
            with started_span("issue", operation) as span:
                span.set(Attribute.ISSUE, operation)
                yield span
        except BaseException as error:
            failure = error_type(error)
            raise
        finally:
            self.seconds.observe(time.perf_counter() - began, operation, failure)
