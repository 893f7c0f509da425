"""A person's client knows at which step its chat is, and continues a run that was cut off."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from cluster.demonstration import faults_of
from cluster.person import Person, Step

THINKS = [{"type": "RUN_STARTED"}]
CALLS = [*THINKS, {"type": "TOOL_CALL_START"}]
ANSWERS = [{"type": "TOOL_CALL_RESULT"}, {"type": "TEXT_MESSAGE_CONTENT", "delta": "It is"}]
FINISHED = {"type": "RUN_FINISHED", "outcome": {"type": "success"}}
ASKS = {"type": "RUN_FINISHED", "outcome": {"type": "interrupt", "interrupts": [{"id": "approval-1"}]}}


def ended(status: str) -> list[dict[str, Any]]:
    return [*THINKS, {"type": "STATE_SNAPSHOT", "snapshot": {"thread_id": "t", "status": status}}, FINISHED]


class Agent:
    """Responds with the next of the given lists of events, and keeps what was requested."""

    def __init__(self, *responses: list[dict[str, Any]]) -> None:
        self._responses = iter(responses)
        self.requests: list[httpx.Request] = []
        self.steps: list[Step] = []
        transport = httpx.MockTransport(self._respond)
        http = httpx.AsyncClient(base_url="http://agent", transport=transport)
        self.person = Person("chen", http, lambda: f"token-{len(self.requests)}", lambda _: "replica-1")

    def _respond(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.path != "/ag-ui/agent":
            return httpx.Response(202, json={})
        return httpx.Response(200, content=self._events(next(self._responses)))

    async def _events(self, events: list[dict[str, Any]]) -> Any:
        for event in events:
            yield f"data: {json.dumps(event)}\n\n".encode()
            self.steps.append(self.person.step)

    def paths(self) -> Iterator[str]:
        return (request.url.path.replace(self.person.thread_id, "t") for request in self.requests)


async def test_step_follows_the_events() -> None:
    agent = Agent([*CALLS, *ANSWERS, *ended("idle")])
    assert agent.person.step is Step.NOT_BEGUN
    await agent.person.ask("And now?")
    assert agent.steps[:4] == [Step.THINKING, Step.CALLING, Step.THINKING, Step.ANSWERING]
    assert agent.person.step is Step.ENDED


async def test_approval_is_counted_and_its_call_is_a_step() -> None:
    agent = Agent([*CALLS, ASKS], [*THINKS, *ANSWERS, *ended("idle")])
    await agent.person.ask("Apply for leave")
    assert (agent.person.step, agent.person.approvals) == (Step.WAITING, 0)
    await agent.person.approve()
    assert Step.APPROVING in agent.steps
    assert (agent.person.step, agent.person.approvals) == (Step.ENDED, 1)


async def test_conversation_whose_run_was_cut_off_is_continued_and_not_taken_for_an_answer() -> None:
    agent = Agent(ended("interrupted"), ended("running"), ended("idle"))
    await agent.person.ask("And now?")
    assert list(agent.paths()) == ["/ag-ui/agent", "/threads/t/continue", "/ag-ui/agent", "/ag-ui/agent"]
    assert [each.partition(" s ")[2] for each in agent.person.seen] == ["interrupted", "answered"]


async def test_message_that_is_stored_twice_is_seen_though_the_conversation_shows_it_once() -> None:
    question = {"type": "human", "id": "m-1", "content": "And now?"}
    call = {"type": "ai", "id": "m-2", "content": "", "tool_calls": [{"id": "call-1", "name": "now"}]}
    result = {"type": "tool", "id": "m-3", "content": "12:00", "tool_call_id": "call-1"}
    answer = {"type": "ai", "id": "m-4", "content": "It is noon."}

    def respond(request: httpx.Request) -> httpx.Response:
        exported = [question, call, result, answer, question, answer]
        shown = {"status": "idle", "approvals": [], "messages": [{"role": "user", "content": "And now?"}]}
        return httpx.Response(
            200, json={"messages": exported} if request.url.path.endswith("/export") else shown
        )

    http = httpx.AsyncClient(base_url="http://agent", transport=httpx.MockTransport(respond))
    person = Person("chen", http, lambda: "token", lambda _: "replica-1")
    assert faults_of(await person.stored()) == ["2 questions", "2 answers"]


async def test_each_access_token_that_was_sent_is_known() -> None:
    agent = Agent(ended("idle"))
    await agent.person.ask("And now?")
    sent = [request.headers["authorization"] for request in agent.requests]
    assert sent == [f"Bearer {token}" for token in agent.person.tokens] == ["Bearer token-0"]


async def test_request_is_sent_again_as_it_was_and_changes_nothing_of_the_chat() -> None:
    agent = Agent(ended("idle"), [*CALLS, *ANSWERS])
    await agent.person.ask("And now?")
    await agent.person.repeat(agent.person.http)
    first, again = (json.loads(request.content) for request in agent.requests)
    assert first["messages"] == again["messages"]
    assert first["threadId"] == again["threadId"]
    assert agent.person.step is Step.ENDED
    assert agent.person.seen[-1].endswith("sent again: 200")
