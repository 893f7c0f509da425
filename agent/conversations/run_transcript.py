"""The messages that a run adds to the transcript of its thread, also if it ends early."""

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, SystemMessage, ToolCall, ToolMessage
from langgraph.graph.message import add_messages

from graph.events import AgentEvent
from graph.tool_calls.requested_calls import pending_tool_calls, refusal

NOT_RUN: Final = "not run: the run ended before this call"
NOT_APPROVED: Final = "not run: it was not approved in time"
WITHDRAWN: Final = "not run: the user ended the run before they decided"
MAY_HAVE_EFFECT: Final = (
    "no result: the run ended during this call, which may already have taken effect. Check that before you "
    "call it again"
)
_NOT_CALLED: Final = frozenset({NOT_RUN, NOT_APPROVED, WITHDRAWN})
UNFINISHED: Final = "unfinished"
"""The `finish_reason` of a response that was cut off when its run ended."""


_MADE: Final = (
    "The user has replaced an earlier question and your answer to it. These calls were made for that answer, "
    "and are not undone:"
)
_LONGEST_MADE: Final = 4_000


class RunTranscript:
    """The messages of one run, and what its events show about the calls and the text that have none yet."""

    def __init__(self, messages: Sequence[AnyMessage] = ()) -> None:
        """`messages` are those before: of a resumed run, the calls that it continues with."""
        self._messages = list(messages)
        self.begun_calls: Final[set[str]] = set()
        """The ids of the calls that were begun, from the run's context."""
        self._results: dict[str, str] = {}
        self._text: list[str] = []
        self._message_id = ""
        """The id of the response that is being shown."""

    @property
    def response(self) -> AIMessage | None:
        """The latest response of the model."""
        return next((message for message in reversed(self._messages) if isinstance(message, AIMessage)), None)

    def add(self, messages: Sequence[AnyMessage]) -> None:
        """Messages that a node added, or changed: one with a known id replaces it."""
        if any(isinstance(message, AIMessage) for message in messages):
            self._text.clear()
        self._messages = list(add_messages(self._messages, list(messages)))  # type: ignore[arg-type]  # its types are wider

    def note(self, event: AgentEvent) -> None:
        """An event of the run."""
        if event["type"] == "response_started":
            self._text.clear()
            self._message_id = event["message_id"]
        elif event["type"] == "content":
            self._text.append(event["text"])
        elif event["type"] == "tool_finished":
            self._results[event["call_id"]] = event["result"]

    def remainder(self, unknown: str = NOT_RUN) -> list[AnyMessage]:
        """Completes the transcript of a run that ended early: a result for each call that has none, and the
        part of a response that was shown. `unknown` is the result if nothing is known of a call.

        A response may follow calls without results: a database that was replaced can lack them.
        """
        rest = results_of_cancelled(
            pending_tool_calls(self._messages),
            lambda call_id: (
                self._results.get(call_id) or (MAY_HAVE_EFFECT if call_id in self.begun_calls else unknown)
            ),
        )
        text = "".join(self._text).strip()
        if text and all(message.id != self._message_id for message in self._messages):
            identifier = self._message_id or uuid.uuid4().hex
            cut_off = {"finish_reason": UNFINISHED}
            rest.append(AIMessage(text, id=identifier, response_metadata=cut_off))
        return rest


def results_of_cancelled(calls: Iterable[ToolCall], text: Callable[[str], str]) -> list[AnyMessage]:
    """A result for each of `calls` of an ended run: what `text` returns for the call's id."""
    results: list[AnyMessage] = []
    for call in calls:
        result_text = text(str(call["id"]))
        result = refusal(call, result_text)
        result.id = uuid.uuid4().hex
        if result_text in _NOT_CALLED:
            result.artifact = {"called": False}  # as `tool_finished` says it
        results.append(result)
    return results


def partial_output(newest: Sequence[AnyMessage], events: Iterable[AgentEvent]) -> list[AnyMessage]:
    """Completes the transcript of a run after its process has stopped. `shown` is in its drafts."""
    transcript = RunTranscript(newest)
    for event in events:
        transcript.note(event)
    return transcript.remainder(MAY_HAVE_EFFECT)


def calls_made(messages: Iterable[AnyMessage]) -> list[SystemMessage]:
    """Names the calls of `messages`, which the model does not read any more. Without calls, nothing."""
    calls: dict[str, str] = {}
    made: list[str] = []
    for message in messages:
        if isinstance(message, AIMessage):
            for call in message.tool_calls:
                calls[str(call["id"])] = f"{call['name']}({json.dumps(call['args'], ensure_ascii=False)})"
        elif isinstance(message, ToolMessage) and (message.artifact or {}).get("called", True):
            made.append(calls.get(message.tool_call_id, str(message.name)))
    return [SystemMessage("\n".join([_MADE, *made])[:_LONGEST_MADE])] if made else []


def without_unfinished(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
    """`messages` without cut off responses at the end, for a run that responds again."""
    finished = list(messages)
    while finished and finished[-1].response_metadata.get("finish_reason") == UNFINISHED:
        finished.pop()
    return finished
