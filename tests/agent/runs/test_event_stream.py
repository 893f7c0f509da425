"""What is shared of a run arrives as it was, and nothing else does."""

from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agent.errors.error_codes import AgentCode
from agent.errors.error_response import error_body
from agent.runs.event_stream import EventEntry, StreamKeys
from agent.runs.run import Cancelled, Finished, Outcome, Paused, Usage
from graph.error_codes import GraphCode
from graph.events import AgentEvent
from identity.errors import AgentError, LimitError, ServiceError, UnavailableError

EVENTS: list[AgentEvent] = [
    {"type": "step_started", "step": "model"},
    {"type": "content", "text": "Sunny \u2028 \ud800"},
    {"type": "response_started", "message_id": "m-1"},
]


def after_the_way(end: Outcome | None) -> EventEntry:
    return EventEntry.from_json(EventEntry("run-1", ["call_1"], 12, EVENTS, end).to_json())


USAGE = Usage(3, 2, 1)
CALLS = AIMessage("", tool_calls=[{"id": "c", "name": "t", "args": {"a": 1}}])


@pytest.mark.parametrize(
    ("end", "arrived"),
    [
        (None, None),
        (Cancelled(), Cancelled()),
        (Finished("Sunny", "why", "length", USAGE), Finished(finish_reason="length", usage=USAGE)),
        (Paused((), USAGE, CALLS), Paused((), USAGE)),
    ],
)
def test_entry_arrives_without_another_copy_of_texts_and_calls(
    end: Outcome | None, arrived: Outcome | None
) -> None:
    assert after_the_way(end) == EventEntry("run-1", ["call_1"], 12, EVENTS, arrived)


@pytest.mark.parametrize(
    "error",
    [
        ServiceError(GraphCode.MODEL_CALL_FAILED, "test"),
        ServiceError(GraphCode.MODEL_CALL_FAILED, "test", status=429, retry_after=7),
        LimitError(AgentCode.RATE_LIMITED, "test", retry_after=3),
        UnavailableError(AgentCode.SHUTTING_DOWN, "test").of("amap"),
    ],
)
def test_error_says_the_same_to_its_reader(error: AgentError) -> None:
    arrived = after_the_way(error).end
    assert isinstance(arrived, AgentError)
    shown, expected = error_body(arrived)["error"], error_body(error)["error"]
    assert {name: shown[name] for name in ("message", "code")} == {
        name: expected[name] for name in ("message", "code")
    }
    assert shown.get("service") == expected.get("service")
    if isinstance(error, ServiceError | LimitError) and error.retry_after:
        assert shown["retry_after"] == expected["retry_after"]


def test_detail_for_operators_stays_in_its_process() -> None:
    error = ServiceError(GraphCode.MODEL_CALL_FAILED, "at sandbox.internal", body="upstream")
    text = EventEntry("run-1", [], 1, [], error).to_json()
    assert b"internal" not in text
    assert b"upstream" not in text


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"run":1,"announced":1,"first":1,"events":[],"end":null}', b"[" * 100_000]
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds
        EventEntry.from_json(text)


class NamedKeys:
    """The names of `SharedRedis`."""

    def name(self, *parts: str) -> str:
        return ":".join(parts)


@pytest.mark.promise("threads-are-private")
def test_owners_share_no_key_though_their_runs_have_one_name() -> None:
    redis: Any = NamedKeys()

    def keys_of(owner: str) -> set[str]:
        keys = StreamKeys(redis, owner)
        return {keys.streams, keys.latest("run"), keys.events("run"), keys.removed("run")}

    assert len(keys_of("alice")) == 4
    assert keys_of("alice").isdisjoint(keys_of("bob"))
