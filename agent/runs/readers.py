"""Readers who follow a run that they did not start: another tab, another device, a page that was reloaded."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from agent.errors.error_codes import AgentCode
from agent.runs.run import RunReader
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, LimitError
from identity.principal import Principal

_MOST: Final = 20


class Readers:
    """Each has its own access token: if that is revoked, the reader ends, and the run of another token does
    not.
    """

    def __init__(self, most: int = _MOST) -> None:
        """`most` is how many one principal may have at once."""
        self._most = most
        self._readers: dict[RunReader, VerifiedAccessToken] = {}
        self._counts: Counter[Principal] = Counter()

    def add(self, reader: RunReader, caller: VerifiedAccessToken) -> None:
        """Counts `reader` until it leaves. Above the limit, makes it leave, and raises `LimitError`."""
        if self._counts[caller.principal] >= self._most:
            reader.leave()
            raise LimitError(AgentCode.TOO_MANY_RUNS, f"at most {self._most} readers for one caller")
        self._readers[reader] = caller
        self._counts[caller.principal] += 1
        reader.on_leave = partial(self._left, reader)

    def end_of(self, callers: Callable[[VerifiedAccessToken], bool], reason: Callable[[], AgentError]) -> int:
        """Ends readers whose caller matches `callers`, with the error `reason()`. Returns how many."""
        ended = [reader for reader, caller in self._readers.items() if callers(caller)]
        for reader in ended:
            reader.end(reason())
        return len(ended)

    def _left(self, reader: RunReader) -> None:
        caller = self._readers.pop(reader)
        self._counts[caller.principal] -= 1
        if not self._counts[caller.principal]:
            del self._counts[caller.principal]
