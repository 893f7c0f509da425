"""A person's client of LangGraph's API goes on as the server's records say, and gives an approval once."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
from langgraph_sdk.client import LangGraphClient

from cluster.chaos.langgraph_person import LangGraphPerson
from cluster.person import Step

HUMAN = {"type": "human", "content": "And now?"}
CALL = {"type": "ai", "content": "", "tool_calls": [{"id": "call-1"}]}
RESULT = {"type": "tool", "content": "sunny", "tool_call_id": "call-1"}
ANSWER = {"type": "ai", "content": "It is sunny."}
CALLS = ("messages", [{"type": "AIMessageChunk", "content": "", "tool_call_chunks": [{}]}, {}])
RETURNS = ("messages", [RESULT, {}])
ANSWERS = ("messages", [{"type": "AIMessageChunk", "content": "It is"}, {}])
BEGINS = ("values", {"messages": [HUMAN]})


def state(
    *messages: dict[str, Any], following: Sequence[str] = (), asks: str = "", kind: str = "approval"
) -> dict[str, Any]:
    interrupts = [{"id": asks, "value": {"approval": {"kind": kind}}}] if asks else []
    return {"values": {"messages": messages}, "next": following, "tasks": [{"interrupts": interrupts}]}


class Server:
    """Has the next of the given states whenever the client requests one; each run has the same events."""

    def __init__(self, *states: dict[str, Any], events: Sequence[Any] = (), failures: int = 0) -> None:
        self._states, self._events, self._failures = iter(states), events, failures
        self.created: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.steps: list[Step] = []
        http = httpx.AsyncClient(base_url="http://aegra", transport=httpx.MockTransport(self._respond))
        self.person = LangGraphPerson("chen", LangGraphClient(http), lambda: f"token-{len(self.tokens)}")

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.tokens.append(request.headers["authorization"].removeprefix("Bearer "))
        path = request.url.path.removeprefix("/threads").removeprefix(f"/{self.person.thread_id}")
        if path == "/runs" and request.method == "POST":
            self.created.append(json.loads(request.content))
            return httpx.Response(200, json={"run_id": "run-1", "status": "pending"})
        if path == "/runs":
            return httpx.Response(200, json=[{"run_id": "run-1", "status": "success"}][: len(self.created)])
        if path == "/state":
            if self._failures:
                self._failures -= 1
                return httpx.Response(503, json={"error": {"code": "redis_unavailable"}})
            return httpx.Response(200, json=next(self._states))
        if path.endswith("/stream"):
            return httpx.Response(200, content=self._stream(), headers={"content-type": "text/event-stream"})
        if path == "/runs/run-1":
            return httpx.Response(200, json={"run_id": "run-1", "status": "running"})
        return httpx.Response(200, json={"thread_id": self.person.thread_id, "status": "idle"})

    async def _stream(self) -> Any:
        for name, data in (*self._events, ("end", {})):
            yield f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
            self.steps.append(self.person.step)

    def given(self) -> list[Any]:
        """What each run was created with: its resume value, or its messages."""
        return [
            run["command"]["resume"] if "command" in run else (run.get("input") or {}).get("messages")
            for run in self.created
        ]


DONE = state(HUMAN, ANSWER)
YES = {"decisions": [{"type": "approve"}]}


async def test_step_follows_the_events_of_the_run() -> None:
    server = Server(state(), DONE, events=(BEGINS, CALLS, RETURNS, ANSWERS))
    assert server.person.step is Step.NOT_BEGUN
    await server.person.ask("And now?")
    assert server.steps == [Step.THINKING, Step.CALLING, Step.THINKING, Step.ANSWERING, Step.ANSWERING]
    assert (server.person.step, server.person.waits) == (Step.ENDED, False)


async def test_message_that_did_not_arrive_is_sent_again_as_the_same() -> None:
    server = Server(state(), state(), DONE)
    await server.person.ask("And now?")
    first, second = server.given()
    assert first == second
    assert first[0]["content"] == "And now?"


async def test_run_that_was_cut_off_is_continued_without_the_message() -> None:
    server = Server(state(), state(HUMAN, following=["model"]), state(HUMAN, CALL, RESULT), DONE)
    await server.person.ask("And now?")
    assert server.given()[1:] == [None, None]


async def test_question_to_sign_in_is_answered_by_itself() -> None:
    waits = state(HUMAN, following=["model"], asks="1", kind="sign_in_required")
    server = Server(state(), waits, DONE)
    await server.person.ask("And now?")
    assert server.given()[1:] == [YES]
    assert server.person.approvals == 0


async def test_approval_is_counted_once_and_sent_again_while_the_same_question_waits() -> None:
    waits = state(HUMAN, CALL, following=["approvals"], asks="1")
    server = Server(state(), waits, waits, waits, state(HUMAN, CALL, RESULT, ANSWER), failures=1)
    await server.person.ask("Apply for leave")
    assert (server.person.step, server.person.waits) == (Step.WAITING, True)
    await server.person.approve()
    assert server.given()[1:] == [YES, YES]
    assert (server.person.step, server.person.approvals) == (Step.ENDED, 1)


async def test_approved_call_is_a_step_from_the_begin_of_its_run_to_its_result() -> None:
    waits = state(HUMAN, CALL, following=["approvals"], asks="1")
    done = state(HUMAN, CALL, RESULT, ANSWER)
    server = Server(state(), waits, waits, done, events=(BEGINS, RETURNS))
    await server.person.ask("Apply for leave")
    server.steps.clear()
    await server.person.approve()
    assert server.steps == [Step.APPROVING, Step.THINKING, Step.THINKING]


async def test_other_question_is_left_to_the_person() -> None:
    first, second = (state(HUMAN, CALL, following=["approvals"], asks=each) for each in ("1", "2"))
    server = Server(state(), first, second)
    await server.person.ask("Apply for leave")
    await server.person.approve()
    assert server.person.waits
    assert server.given() == [server.given()[0]]


async def test_refusal_is_seen_and_each_token_that_was_sent_is_known() -> None:
    server = Server(state(), DONE, failures=1)
    await server.person.ask("And now?")
    assert [each.partition(" s ")[2] for each in server.person.seen] == ["503 redis_unavailable", "answered"]
    assert server.tokens == server.person.tokens


async def test_stored_conversation_has_the_form_of_the_agents_own_api() -> None:
    server = Server(state(HUMAN, CALL, RESULT, ANSWER))
    stored = await server.person.stored()
    assert stored["status"] == "idle"
    assert [each["role"] for each in stored["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert stored["messages"][1]["toolCalls"] == [{"id": "call-1"}]
    assert stored["messages"][2]["toolCallId"] == "call-1"
