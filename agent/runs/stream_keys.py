"""The keys of relayed runs in Redis: each contains its owner's digest, so that no one else's can be read."""

from dataclasses import dataclass
from typing import Final

from agent.redis import SharedRedis

ENTRY: Final = "e"
"""The one field of an entry."""


@dataclass(frozen=True, slots=True)
class StreamKeys:
    """The keys of one owner. In a cluster of Redis they are at one node, so that scripts can use several."""

    redis: SharedRedis
    owner: str

    def latest(self, run_id: str) -> str:
        """The key whose value names the stream of a run, or of its latest part: `{begun} {run}-{part}`."""
        return self._of("latest", run_id)

    def events(self, part: str) -> str:
        """The key of the stream of one run; of a run that paused, one for each of its parts."""
        return self._of("events", part)

    @property
    def streams(self) -> str:
        """The key of the names of all streams of the owner, in the order in which they end."""
        return self._of("streams")

    def removed(self, run_id: str) -> str:
        """The key that exists after the events of a run were removed: no further ones are accepted."""
        return self._of("removed", run_id)

    def _of(self, kind: str, *name: str) -> str:
        return self.redis.name(kind, f"{{{self.owner}}}", *name)


def place(owner: str, thread_id: str, part: str, first: int) -> str:
    """What a sealed entry is bound to: the position `first` of one stream."""
    return f"events\n{owner}\n{thread_id}\n{part}\n{first}"
