"""Responses to one request: one, or a stream of them."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message

from agent.errors.error_codes import AgentCode
from agent.runs.run import Finished
from identity.errors import LimitError
from plugins.a2a.a2a_error import A2ACode, A2AError
from plugins.a2a.methods import Reply
from plugins.a2a.tasks import TaskRun
from plugins.a2a.tests.test_encoder import content, encoder, response
from tests.agent.scripted_run import reader_of


def run(*given: Any, left: list[bool] | None = None) -> TaskRun:
    known: list[bool] = [] if left is None else left
    reader = reader_of(*given)
    reader.on_leave = lambda: known.append(True)
    return TaskRun(encoder(), reader)


async def sent(*given: Any, left: list[bool] | None = None) -> list[dict[str, Any]]:
    """The responses of a stream."""
    bodies: list[str] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        return {}

    async def send(message: Message) -> None:
        bodies.append(message.get("body", b"").decode())

    await Reply("r-1", older=False).stream_of(run(*given, left=left))({}, receive, send)
    return [json.loads(line[6:]) for line in "".join(bodies).splitlines() if line.startswith("data: ")]


def state(answer: dict[str, Any]) -> str:
    found: str = answer["result"]["statusUpdate"]["status"]["state"]
    return found


async def test_each_update_is_a_response_to_the_request_and_the_reader_leaves_at_the_end() -> None:
    left: list[bool] = []
    answers = await sent(response("m1"), content("a"), Finished(), left=left)

    assert {answer["id"] for answer in answers} == {"r-1"}
    assert [next(iter(answer["result"])) for answer in answers] == [
        "task",
        "artifactUpdate",
        "artifactUpdate",
        "statusUpdate",
    ]
    assert state(answers[-1]) == "TASK_STATE_COMPLETED"
    assert left


async def test_client_that_is_too_slow_receives_an_error_because_the_task_goes_on() -> None:
    lost = LimitError(AgentCode.EVENTS_LOST, "event 1 is not kept any more")
    last = (await sent(content("a"), lost))[-1]
    assert (last["id"], last["error"]["data"][0]["metadata"]["code"]) == ("r-1", "events_lost")
    with pytest.raises(A2AError) as error:
        await run(lost).ended()
    assert error.value.code is A2ACode.INTERNAL_ERROR
