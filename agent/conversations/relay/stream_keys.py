"""The keys of relayed runs in Redis: each contains its owner's digest, so that no one else's can be read."""

from dataclasses import dataclass
from typing import Final

from agent.replicas.shared_redis import SharedRedis

ENTRY: Final = "e"
"""The one field of an entry."""


@dataclass(frozen=True, slots=True)
class StreamKeys:
    """The keys of one thread."""

    redis: SharedRedis
    owner: str
    thread_id: str

    @property
    def latest(self) -> str:
        """The key whose value names the stream of the thread's latest run: `{run}-{part}`."""
        return self.redis.name("latest-run", self.owner, self.thread_id)

    @property
    def threads(self) -> str:
        """The key of the set of the owner's threads that have events here."""
        return self.redis.name("threads", self.owner)

    def events(self, part: str) -> str:
        """The key of the stream of one run; of a run that paused, one for each of its parts."""
        return self.redis.name("events", self.owner, self.thread_id, part)

    def place(self, part: str, first: int) -> str:
        """What a sealed entry is bound to."""
        return f"events\n{self.owner}\n{self.thread_id}\n{part}\n{first}"
