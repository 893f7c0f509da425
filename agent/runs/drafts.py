"""Writes what this process's runs have shown, so that it outlasts the process.

A response is stored when it has ended. Until then, what it has shown for a second is written as a draft, for
all runs together: a response that takes less costs no write, a longer one costs one for each second or two.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from langchain_core.messages import AnyMessage, ToolMessage

from agent.background import Background
from agent.conversations.drafts import Draft, is_kept
from agent.conversations.owned_thread import RunKey
from agent.conversations.threads import ThreadStore
from graph.events import AgentEvent

SHOWN_SECONDS: Final = 1.2
"""Events that were shown for so long are written with the next round."""
ROUND_SECONDS: Final = 0.5
_AT_ONCE: Final = 500
_RETRY_SECONDS: Final = 3.0


class RunDraft:
    """The events that one run has shown, and that are not written yet."""

    def __init__(self, run: RunKey, clock: Callable[[], float], wake: Callable[[], None]) -> None:
        self._run = run
        self._clock = clock
        self._wake = wake
        self._events: list[AgentEvent] = []
        self._since = 0.0
        """When the first of the events was shown."""
        self._written = 0
        """The number of drafts."""
        self._writing: Draft | None = None
        """A draft that may have been written. It is written again, unchanged."""

    def note(self, event: AgentEvent) -> None:
        """An event of the run."""
        if is_kept(event):
            if not self._events:
                self._since = self._clock()
                self._wake()
            self._events.append(event)

    def stored(self, messages: Iterable[AnyMessage]) -> None:
        """`messages` are stored: a response that is complete, or results of its calls."""
        answered = {message.tool_call_id for message in messages if isinstance(message, ToolMessage)}
        self._events = [
            event
            for event in self._events
            if event["type"] == "tool_finished" and event["call_id"] not in answered
        ]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self._events and self._writing is None

    def next(self, seconds: float) -> Draft | None:
        """The draft to write, if its first event was shown `seconds` ago or earlier."""
        if self._writing is None and self._events and self._clock() - self._since >= seconds:
            self._written += 1
            self._writing = Draft(self._run, self._written, self._events)
            self._events = []
            self._since = self._clock()
        return self._writing

    def written(self) -> None:
        """The draft that `next` returned is written."""
        self._writing = None


@dataclass(slots=True)
class Drafts(Background):
    """Begins with the first run. A run never waits for it."""

    threads: ThreadStore
    _: KW_ONLY
    clock: Callable[[], float] = time.monotonic
    _open: dict[str, RunDraft] = field(init=False, default_factory=dict)
    _shown: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def begin(self, run: RunKey) -> RunDraft:
        """The draft of a run that has begun."""
        self.start()
        draft = self._open[run.run_id] = RunDraft(run, self.clock, self._shown.set)
        return draft

    def end(self, run_id: str) -> None:
        """The run has ended, and is stored."""
        self._open.pop(run_id, None)

    def keep(self, run_ids: Collection[str]) -> None:
        """Drops the drafts of all other runs: their ends could not be stored."""
        for run_id in self._open.keys() - run_ids:
            del self._open[run_id]

    async def write(self, seconds: float = SHOWN_SECONDS) -> None:
        """Writes the drafts of events that were shown `seconds` ago or earlier. If the store raises, they are
        written later.
        """
        due: list[tuple[RunDraft, Draft]] = []
        for run_draft in self._open.values():
            draft = run_draft.next(seconds)
            if draft:
                due.append((run_draft, draft))
        for first in range(0, len(due), _AT_ONCE):
            batch = due[first : first + _AT_ONCE]
            await self.threads.write_drafts([draft for _, draft in batch])
            for run_draft, _ in batch:
                run_draft.written()

    async def _work(self) -> None:
        while True:
            await self._shown.wait()
            self._shown.clear()
            while any(not draft.is_empty for draft in self._open.values()):
                await self.sleep(ROUND_SECONDS)
                if not await self._attempt(self.write(), "what runs have shown is not written"):
                    await self.sleep(_RETRY_SECONDS)
