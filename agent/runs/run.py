"""A run of the graph as its readers see it: its events, and how it ends.

Where the run is executed (in this process, in another one, or in none any more) makes no difference to a
reader. `agent.runs.runs` starts runs that are not kept, `agent.runs.conversation_runs` runs of conversations.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias

from langchain_core.messages import AIMessage, AnyMessage

from agent.conversations.owned_thread import NOT_KEPT, RunKey
from agent.errors.error_codes import AgentCode
from graph.answer_form import AnswerForm
from graph.approvals.record import PendingApproval
from graph.events import AgentEvent, ConsentRequired, Notice, ServicesUnavailable, joined_unavailable
from graph.models.response import CUT_OFF
from identity.errors import AgentError, LimitError

MAX_EVENTS: Final = 20_000
MAX_CHARACTERS: Final = 1_000_000
"""Characters of the kept events: far more than a model writes in the time of one run."""
EVENTS_PER_TURN: Final = 64
"""After a reader has read so many events, other tasks run."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of all model calls of a run."""

    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def plus(self, message: AIMessage) -> "Usage":
        """Adds the tokens of one more model call."""
        used = message.usage_metadata
        if used is None:
            return self
        return Usage(
            self.input_tokens + used["input_tokens"],
            self.output_tokens + used["output_tokens"],
            self.reasoning_tokens + used.get("output_token_details", {}).get("reasoning", 0),
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a successful run: its last message, and the tokens of all model calls."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Paused:
    """The end of a run that waits for a person. Only a run of a conversation has it.

    The run is saved when this is sent: an answer continues it in any process (`agent.conversations`).
    """

    pending: tuple[PendingApproval, ...]
    """One: a run asks for one approval at a time."""
    usage: Usage = field(default_factory=Usage)
    response: AIMessage | None = None
    """The message of the model whose calls wait."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The run was cancelled before its end."""


End: TypeAlias = Finished | Paused | Cancelled
"""The last event of a run that did not fail."""
RunEvent: TypeAlias = AgentEvent | End
"""An event of the graph, or the end of the run."""
Outcome: TypeAlias = End | AgentError
"""How a run ended."""


class ModelMessages:
    """Keeps the messages of the agent after the last call in one run, and counts the tokens of all."""

    def __init__(self) -> None:
        self.usage = Usage()
        self._last: dict[str | None, AIMessage] = {}

    def add(self, messages: Iterable[AnyMessage]) -> None:
        """Counts what a node added."""
        for message in messages:
            if isinstance(message, AIMessage):
                self.usage = self.usage.plus(message)
                self._last = {} if message.tool_calls else {**self._last, message.id: message}

    def finished(self, form: AnswerForm | None = None) -> Finished:
        """The end of the run with these messages.

        Raises `AnswerFormError` if they are together no answer in `form`, unless one of them was cut off.
        """
        last = self._last.values()
        thoughts = [str(message.additional_kwargs.get("reasoning_content") or "") for message in last]
        reasons = [message.response_metadata.get("finish_reason") for message in last]
        text = "\n\n".join(filter(None, (str(message.text) for message in last)))
        # Its calls are the agent's own: a client that reads `tool_calls` would look for them.
        finish_reason = next((reason for reason in reasons if reason in CUT_OFF), "stop")
        if form is not None:
            form.check(text, finish_reason)
        reasoning = "\n\n".join(filter(None, thoughts))
        return Finished(text=text, reasoning=reasoning, finish_reason=finish_reason, usage=self.usage)


def is_step(event: RunEvent) -> bool:
    """A step alone shows nothing: a failure after it still has a status of its own."""
    return not isinstance(event, End) and event["type"] in ("step_started", "step_finished")


class ReplayBuffer:
    """The newest events of a run with their positions, which count from 1.

    Above the limits, the oldest half is dropped: `oldest` is the first position that is kept.
    """

    def __init__(self, *, events: float = MAX_EVENTS, characters: float = MAX_CHARACTERS) -> None:
        self._most_events = events
        self._most_characters = characters
        self._events: deque[RunEvent] = deque()
        self.characters = 0
        """Characters of the kept events."""
        self.oldest = 1
        self.newest = 0
        """The position of the last event; `oldest - 1` if none is kept."""

    def add(self, event: RunEvent) -> None:
        """Appends `event`."""
        self._events.append(event)
        self.newest += 1
        self.characters += size_of(event)
        if len(self._events) > self._most_events or self.characters > self._most_characters:
            for _ in range((len(self._events) + 1) // 2):
                self.characters -= size_of(self._events.popleft())
                self.oldest += 1

    def skip(self, position: int) -> None:
        """Drops all events: the next one that is added has `position`, which is later than theirs."""
        self._events.clear()
        self.characters = 0
        self.oldest = position
        self.newest = position - 1

    def at(self, position: int) -> RunEvent:
        """The event at `position`, which is kept."""
        return self._events[position - self.oldest]

    take = at
    """For readers: the event that is read next."""


def size_of(event: RunEvent) -> int:
    """Characters of the long members of an event."""
    if isinstance(event, End):
        return 0
    match event["type"]:
        case "content" | "reasoning":
            return len(event["text"])
        case "tool_finished":
            return len(event["result"])
        case "custom":
            return len(str(event["value"]))
        case _:
            return 1000


class Run:
    """The events of a run so far, and how it ended."""

    is_behind = False
    """Whether readers may have received, from another process, events that are not here yet."""

    def __init__(self, part: str, key: RunKey = NOT_KEPT, *, replay: ReplayBuffer | None = None) -> None:
        """`part` distinguishes the parts of one run, which pauses between them."""
        self.part: Final = part
        self.key: Final = key
        self.owner, self.thread_id, self.id = key.place
        self.stream: Final = f"{self.id}-{part}"
        """Names this part over all processes."""
        self.replay: Final = ReplayBuffer() if replay is None else replay
        self.outcome: Outcome | None = None
        """How the run ended; `None` until then."""
        self.announced: frozenset[str] = frozenset()
        """The ids of the calls with which a resumed run continues: its readers know them already."""
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def is_whole(self) -> bool:
        """Whether the first event is kept, from which on a reader understands the others."""
        return self.replay.oldest == 1

    @property
    def end_position(self) -> int | None:
        """The position of the end, which follows the last event; `None` while it is not known, also if it was
        lost.
        """
        is_lost = isinstance(self.outcome, LimitError) and self.outcome.code is AgentCode.EVENTS_LOST
        if self.outcome is None or is_lost:
            return None
        return self.replay.newest + isinstance(self.outcome, AgentError)

    def event_id(self, position: int) -> str:
        """Identifies the event at `position`, in every process."""
        return f"{self.part}-{position}"

    def position_of(self, event_id: str | None) -> int:
        """The position of the event with this id; 0 if the run has no such event."""
        part, _, number = (event_id or "").rpartition("-")
        if part != self.part or not (number.isascii() and number.isdigit()) or len(number) > 9:
            return 0
        newest = math.inf if self.is_behind else self.replay.newest
        last = newest if self.end_position is None else self.end_position
        return int(number) if int(number) <= last else 0

    def events(self, after: int = 0, *, keep: bool = True) -> "RunReader":
        """Reads the events after the position `after`, the past ones first.

        When the reader leaves, a run that this process executes is cancelled unless `keep`.
        """
        return RunReader(self, after, keep=keep)

    def conclude(self, outcome: Outcome) -> None:
        """For the run itself: it has ended, or waits. Does not wake the readers."""
        if not isinstance(outcome, AgentError):
            self.replay.add(outcome)
        self.outcome = outcome

    def changed(self) -> Awaitable[None]:
        """For readers: waits until `wake`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        return waiter

    def wake(self) -> None:
        """Wakes the readers: there is an event, or an end."""
        waiting = self._waiting
        self._waiting = []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def left(self, reader: "RunReader") -> None:
        """For readers: `reader` has left."""


class RunReader:
    """An async iterator of the events of a run. Its `End` is the last event.

    After `leave` there is none. Raises the error of the run, and `LimitError` if the next event is not kept
    any more (`ReplayBuffer.oldest`).
    """

    def __init__(self, run: Run, after: int = 0, *, keep: bool = True) -> None:
        self.run: Final = run
        self.keep: Final = keep
        self.position = after
        """The position of the last event that was read."""
        self.on_leave: Callable[[], None] | None = None
        self.complete: Callable[[Paused], Awaitable[Paused]] | None = None
        """Adds what a paused run waits for, if the process that executes the run does not share it."""
        self._error: AgentError | None = None
        self._has_left = False

    def leave(self) -> None:
        """Ends this reader without an error. Does not wait; further calls do nothing."""
        if not self._has_left:
            self._has_left = True
            self.run.left(self)
            if self.on_leave is not None:
                self.on_leave()
            self.run.wake()

    def end(self, error: AgentError) -> None:
        """Ends this reader, not the run: `error` is raised in place of the next event."""
        self._error = error
        self.run.wake()

    def past(self) -> list[RunEvent]:
        """Reads the events that are here now."""
        replay = self.run.replay
        first = self.position + 1
        self.position = max(self.position, replay.newest)
        return [replay.at(position) for position in range(max(first, replay.oldest), replay.newest + 1)]

    def ready(self) -> list[RunEvent]:
        """Reads the next events that are here now, without the end, and at most those of one turn."""
        events: list[RunEvent] = []
        replay = self.run.replay
        if self._error is not None or self._has_left or self.position + 1 < replay.oldest:
            return events
        while self.position < replay.newest and (self.position + 1) % EVENTS_PER_TURN:
            if isinstance(replay.at(self.position + 1), End):
                break
            events.append(replay.take(self.position + 1))
            self.position += 1
        return events

    async def first(self) -> None:
        """Waits for the first event that shows something, and reads none. Raises an error that comes before
        it.
        """
        position = self.position + 1
        replay = self.run.replay
        while not self._ends_before(position):
            if position > replay.newest:
                await self.run.changed()
            elif is_step(replay.at(position)):
                position += 1
            else:
                return

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> RunEvent:
        position = self.position + 1
        replay = self.run.replay
        if position % EVENTS_PER_TURN == 0:
            await asyncio.sleep(0)
        while not self._ends_before(position):
            if position <= replay.newest:
                break
            await self.run.changed()
        else:
            raise StopAsyncIteration
        event = replay.take(position)
        if self.complete is not None and isinstance(event, Paused) and not event.pending:
            event = await self.complete(event)
        self.position = position
        return event

    def _ends_before(self, position: int) -> bool:
        """Whether the run, or this reader, has ended before `position`. Raises the error in its place."""
        if self._error is not None:
            raise self._error.again()
        if self._has_left:
            return True
        run = self.run
        if position < run.replay.oldest:
            raise LimitError(AgentCode.EVENTS_LOST, f"event {position} is not kept any more")
        if position <= run.replay.newest or run.outcome is None:
            return False
        if isinstance(run.outcome, AgentError):
            raise run.outcome.again()
        return True


@dataclass(frozen=True, slots=True)
class WholeRun:
    """What a caller who reads no events should learn of a run."""

    end: Finished | Paused
    """Empty if the run was cancelled."""
    beside: ConsentRequired | ServicesUnavailable | None
    """A consent that was required, for which a run that is not kept does not wait; else the services that
    were unavailable.
    """
    notices: Sequence[Notice]


async def whole_run(reader: RunReader) -> WholeRun:
    """Reads all events of a run. Raises the error of the run."""
    end: Finished | Paused = Finished()
    consent: ConsentRequired | None = None
    unavailable: ServicesUnavailable | None = None
    notices: list[Notice] = []
    async for event in reader:
        if isinstance(event, Finished | Paused):
            end = event
        elif isinstance(event, Cancelled):
            continue
        elif event["type"] == "consent_required":
            consent = event
        elif event["type"] == "services_unavailable":
            unavailable = joined_unavailable(unavailable, event)
        elif event["type"] == "notice":
            notices.append(event)
    return WholeRun(end, consent or unavailable, notices)
