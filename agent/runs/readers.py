"""Readers who follow a run that they did not start: another tab, another device, a page that was reloaded."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from agent.errors.error_codes import AgentCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, LimitError
from identity.principal import Principal

_MOST: Final = 20


class Reader(Protocol):
    """What is ended with its caller's rights."""

    def close(self) -> None:
        """Ends it without an error."""
        ...

    def end(self, error: AgentError) -> None:
        """Raises `error` in place of the next event."""
        ...


class Readers:
    """Each has its own access token: if that is revoked, the reader ends, and the run of another token does
    not.
    """

    def __init__(self, most: int = _MOST) -> None:
        """`most` is how many one principal may have at once."""
        self._most = most
        self._readers: dict[Reader, VerifiedAccessToken] = {}
        self._counts: Counter[Principal] = Counter()

    def add(self, reader: Reader, caller: VerifiedAccessToken) -> Callable[[], None]:
        """Counts `reader`, and returns what its surface calls when it leaves, once or more often.

        Closes it, and raises `LimitError`, if the caller has too many.
        """
        if self._counts[caller.principal] >= self._most:
            reader.close()
            raise LimitError(AgentCode.TOO_MANY_RUNS, f"at most {self._most} readers for one caller")
        self._readers[reader] = caller
        self._counts[caller.principal] += 1
        return partial(self._leave, reader)

    def end_of(self, callers: Callable[[VerifiedAccessToken], bool], reason: Callable[[], AgentError]) -> int:
        """Ends the readers of callers of whom `callers` is true, with the error `reason()`; how many."""
        ended = [reader for reader, caller in self._readers.items() if callers(caller)]
        for reader in ended:
            reader.end(reason())
        return len(ended)

    def _leave(self, reader: Reader) -> None:
        reader.close()
        if caller := self._readers.pop(reader, None):
            self._counts[caller.principal] -= 1
            if not self._counts[caller.principal]:
                del self._counts[caller.principal]
