"""Runs' streams in Redis: their keys, and their entries, which are sealed JSON.

An entry has some of the events of a run, and its end:

    {"run": "…", "announced": ["call_…"], "first": 12, "events": [{"type": "content", "text": "…"}, …],
     "end": {"kind": "finished", …} | null}

An entry contains what a reader of the run is shown, and nothing else: no token and no credential is among
the events of a run (`graph.events`). What a paused run waits for is not in it: its reader reads that from the
store of conversations, with a token of their own. The end has no text: the events have it already.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

from agent.conversations.message_json import encoded
from agent.errors.error_codes import AgentCode
from agent.errors.error_table import ERROR_CODES
from agent.redis import SharedRedis
from agent.runs.run import Cancelled, Finished, Outcome, Paused, Run, Usage
from graph.events import AgentEvent
from identity.errors import AgentError, LimitError, ServiceError, UnavailableError, UnreachableError

_CODES: Final = {code.value: code for code in ERROR_CODES}
_ELSEWHERE: Final = "reported by the process that executed the run"

Json: TypeAlias = dict[str, Any]
ENTRY: Final = "e"
"""The one field of an entry."""


@dataclass(frozen=True, slots=True)
class EventEntry:
    """`events` from the position `first` on, and how the run ended, if it has."""

    run_id: str
    announced: Sequence[str]
    """The calls with which a resumed run continues."""
    first: int
    events: Sequence[AgentEvent]
    end: Outcome | None = None

    @property
    def id(self) -> str:
        """The id in the stream. An entry that begins at the same position and has more events has a later id:
        it is written if the first one may have been lost.
        """
        return f"{self.first}-{2 * len(self.events) + (self.end is not None)}"

    def to_json(self) -> bytes:
        """JSON in UTF-8."""
        end = None if self.end is None else _end_to_json(self.end)
        members = {"run": self.run_id, "announced": list(self.announced), "first": self.first}
        return encoded({**members, "events": list(self.events), "end": end})

    @classmethod
    def from_json(cls, text: bytes) -> "EventEntry":
        """Raises `ValueError` for anything else."""
        try:
            members = json.loads(text)
            end = None if members["end"] is None else _end_from_json(members["end"])
            events = [{**event, "type": str(event["type"])} for event in members["events"]]
            announced = [str(call_id) for call_id in members["announced"]]
            return cls(str(members["run"]), announced, int(members["first"]), events, end)  # type: ignore[arg-type]  # each was an event when it was written
        except (KeyError, TypeError, AttributeError, RecursionError):
            raise ValueError("an entry of a stream of events does not have the expected form") from None


def _end_to_json(end: Outcome) -> Json:
    match end:
        case Finished():
            return {"kind": "finished", "finish_reason": end.finish_reason, "usage": asdict(end.usage)}
        case Paused():
            return {"kind": "paused", "usage": asdict(end.usage)}
        case Cancelled():
            return {"kind": "cancelled"}
    after = end.retry_after if isinstance(end, LimitError | ServiceError | UnreachableError) else None
    return {"kind": "error", "code": end.code.value, "service": end.service, "retry_after": after}


def _end_from_json(end: Json) -> Outcome:
    match end["kind"]:
        case "finished":
            return Finished(finish_reason=str(end["finish_reason"]), usage=Usage(**end["usage"]))
        case "paused":
            return Paused((), Usage(**end["usage"]))
        case "cancelled":
            return Cancelled()
    return _error(end)


def _error(end: Json) -> AgentError:
    """With the code, the service and the wait of the original, which is all that a reader is shown."""
    code = _CODES.get(end["code"], AgentCode.RUN_INTERRUPTED)
    error: AgentError
    if end["retry_after"] is not None:
        error = ServiceError(code, _ELSEWHERE, status=429, retry_after=float(end["retry_after"]))
    else:
        error = UnavailableError(code, _ELSEWHERE)
    return error.of(str(end["service"])) if end["service"] else error


@dataclass(frozen=True, slots=True)
class StreamKeys:
    """The keys of one owner. In a cluster of Redis they are at one node, so that scripts can use several."""

    redis: SharedRedis
    owner: str

    def latest(self, run_id: str) -> str:
        """The key whose value names the stream of a run, or of its latest part: `{begun} {run}-{part}`."""
        return self._of("latest", run_id)

    def events(self, stream: str) -> str:
        """The key of the stream of one run; of a run that paused, one for each of its parts."""
        return self._of("events", stream)

    @property
    def streams(self) -> str:
        """The key of the names of all streams of the owner, in the order in which they end."""
        return self._of("streams")

    def removed(self, run_id: str) -> str:
        """The key that exists after the events of a run were removed: no further ones are accepted."""
        return self._of("removed", run_id)

    def _of(self, kind: str, *name: str) -> str:
        return self.redis.name(kind, f"{{{self.owner}}}", *name)


def place(run: Run, first: int) -> tuple[str | int, ...]:
    """The place that a sealed entry is bound to: the position `first` of the stream of `run`."""
    return "events", run.owner, run.thread_id, run.stream, first
