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

    def latest(self, run_id: str | None) -> str:
        """The key whose value names the stream of a run, or of its latest part: `{run}-{part}`. With `None`,
        the run of the thread that began last: of runs that follow each other within moments, either.
        """
        return self.redis.name("latest-run", self.owner, self.thread_id, *([run_id] if run_id else []))

    @property
    def streams(self) -> str:
        """The key of the set of all streams of the owner: `{thread} {run}-{part}`."""
        return self.redis.name("streams", self.owner)

    def of_stream(self, part: str) -> list[str]:
        """The keys of one run, or of one of its parts."""
        return [self.latest(None), self.latest(part.rpartition("-")[0]), self.events(part)]

    def events(self, part: str) -> str:
        """The key of the stream of one run; of a run that paused, one for each of its parts."""
        return self.redis.name("events", self.owner, self.thread_id, part)

    def place(self, part: str, first: int) -> str:
        """What a sealed entry is bound to."""
        return f"events\n{self.owner}\n{self.thread_id}\n{part}\n{first}"
