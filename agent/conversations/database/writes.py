"""Whether a database can be written, by its latest writes: reading it does not show that its disk is full."""

import logging
import time
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from identity.errors import AgentError

_LOG: Final = logging.getLogger("idaas_agent.conversations")
_REMEMBERED_SECONDS: Final = 60.0
"""How long a failure counts if nothing is written after it."""

Kind: TypeAlias = Literal["write", "batches"]
"""The method of `Database`. Messages are `batches`: on a full disk, something smaller may still fit."""


class Writes:
    """The failures that no later write of their kind has made good."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failed: dict[Kind, tuple[float, AgentError]] = {}

    def failed(self, kind: Kind, error: AgentError) -> None:
        """Notes that the database could not write."""
        if not self._failed:
            _LOG.error("conversations cannot be stored: %s", error.detail)
        self._failed[kind] = (self._monotonic(), error)

    def succeeded(self, kind: Kind) -> None:
        """Notes that the database has written."""
        if self._failed.pop(kind, None) and not self._failed:
            _LOG.info("conversations can be stored again")

    def check(self) -> None:
        """Raises the last failure."""
        for kind, (at, error) in list(self._failed.items()):
            if self._monotonic() - at < _REMEMBERED_SECONDS:
                raise error.with_traceback(None)
            self.succeeded(kind)
