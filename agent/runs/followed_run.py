"""A run as its readers see it, whether this process executes it, another one, or none any more."""

import asyncio
from dataclasses import dataclass
from typing import Final, Self, TypeAlias

from agent.errors.error_codes import AgentCode
from agent.runs.replay_buffer import ReplayBuffer
from agent.runs.run_end import Finished, Paused
from agent.runs.run_reader import RunEvent
from identity.errors import AgentError, LimitError


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The run was cancelled before its end."""


Outcome: TypeAlias = Finished | Paused | Cancelled | AgentError
"""How a run ended."""


class FollowedRun:
    """Its events so far, and how it ended."""

    def __init__(
        self,
        id: str,  # noqa: A002 - as everywhere in the API
        key: str,
        *,
        thread_id: str,
        owner: str,
        replay: ReplayBuffer | None = None,
    ) -> None:
        """`key` distinguishes the parts of one run, which pauses between them."""
        self.id: Final = id
        self.key: Final = key
        self.thread_id: Final = thread_id
        self.owner: Final = owner
        self.replay: Final = ReplayBuffer() if replay is None else replay
        self.outcome: Outcome | None = None
        """How it ended, and `None` until then."""
        self.announced: frozenset[str] = frozenset()
        """The ids of the calls with which a resumed run continues: its readers know them already."""
        self._changed = asyncio.Event()

    @property
    def end_position(self) -> int | None:
        """The position of its end, which follows its last event; `None` while it is not known."""
        if self.outcome is None:
            return None
        return self.replay.newest + (not isinstance(self.outcome, Finished | Paused))

    @property
    def is_behind(self) -> bool:
        """Whether events that readers know may be missing here."""
        return False

    def events(self, after: int = 0) -> "LiveReader":
        """Positions (from 1) and events after the position `after`, those of the past first.

        It ends after `Finished` or `Paused`, and without them if the run was cancelled. Raises the run's
        error, and `LimitError` if events after `after` are not kept any more (`replay.oldest`).
        """
        return LiveReader(self, after)

    async def changed(self) -> None:
        """For readers: waits until they are woken."""
        await self._changed.wait()

    def wake(self) -> None:
        """For readers: there is an event, or an end."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class LiveReader:
    """An async iterator of positions and events; see `FollowedRun.events`."""

    def __init__(self, run: FollowedRun, after: int) -> None:
        self._run = run
        self._position = after
        self._error: AgentError | None = None
        self._closed = False

    def close(self) -> None:
        """Ends this reader, not the run, without an error."""
        self._closed = True
        self._run.wake()

    def end(self, error: AgentError) -> None:
        """Ends this reader, not the run: `error` is raised in place of the next event."""
        self._error = error
        self._run.wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[int, RunEvent]:
        while self._error is None:
            if self._closed:
                raise StopAsyncIteration
            replay = self._run.replay
            if self._position + 1 < replay.oldest:
                text = f"event {self._position + 1} is not kept any more"
                raise LimitError(AgentCode.EVENTS_LOST, text)
            if self._position < replay.newest:
                self._position += 1
                return self._position, replay.at(self._position)
            if self._run.outcome is not None:
                if isinstance(self._run.outcome, AgentError):
                    raise self._run.outcome.again()
                raise StopAsyncIteration
            await self._run.changed()
        raise self._error.again()
