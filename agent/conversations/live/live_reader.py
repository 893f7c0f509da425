"""Readers of a live run."""

from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol, Self

from agent.conversations.live.replay_buffer import ReplayBuffer
from agent.errors.error_codes import AgentCode
from agent.runs.run_reader import RunEvent, opening
from identity.errors import AgentError, LimitError

if TYPE_CHECKING:
    from agent.conversations.live.live_run import LiveRun


class FollowedRun(Protocol):
    """What readers follow: a run of this process, or one that another process executes."""

    @property
    def replay(self) -> ReplayBuffer:
        """Its events so far."""
        ...

    @property
    def outcome(self) -> Any:  # noqa: ANN401 - `agent.conversations.live.live_run.Outcome`
        """How it ended, and `None` until then."""
        ...

    @property
    def end_position(self) -> int | None:
        """The position of its end, which follows its last event; `None` while it is not known."""
        ...

    async def changed(self) -> None:
        """Waits until there is an event, or the end."""
        ...

    def wake(self) -> None:
        """Wakes all readers."""
        ...


class LiveReader:
    """An async iterator of positions and events; see `LiveRun.events`."""

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


class AttachedReader:
    """Reads all events of a live run, for the surfaces (`agent.runs.run_reader.RunReader`)."""

    def __init__(self, run: "LiveRun", *, keep: bool) -> None:
        """When the reader leaves, the run is cancelled unless `keep`."""
        self._run = run
        self._keep = keep
        self._ahead: deque[RunEvent] = deque()
        self._events = run.events()

    async def first(self) -> None:
        """See `RunReader`."""
        if not self._ahead:
            self._ahead.extend(await opening(self))

    def cancel(self) -> None:
        """Leaves the run."""
        if not self._keep:
            self._run.cancel()

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        return self

    async def __anext__(self) -> RunEvent:
        if self._ahead:
            return self._ahead.popleft()
        _, event = await anext(self._events)
        return event
