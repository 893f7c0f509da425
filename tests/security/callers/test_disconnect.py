"""Callers who leave, at whichever moment of a run, take nothing with them that others need."""

import asyncio

import pytest
from langchain_core.messages import HumanMessage

from agent.composition.agent import Agent
from agent.runs.run import Finished
from agent.settings.settings import read_settings

pytestmark = pytest.mark.promise("heals-by-itself")

QUESTIONS = ("What is the weather in Hangzhou right now?", "Call my enterprise service")
MOMENTS = 60


def in_flight(client) -> int:
    """The requests for which `client` takes a connection to be in use."""
    return client._transport._use.in_use


async def outcomes(agent, caller, question) -> list[bool]:
    """How the tools' calls of one answer went."""
    run = agent.runs.start([HumanMessage(question)], caller, streaming=True)
    events = [
        event
        async for event in run
        if not isinstance(event, Finished) and event["type"] in ("tool_started", "tool_finished")
    ]
    return [event["ok"] for event in events if event["type"] == "tool_finished"]


async def test_a_client_that_disconnects_at_any_moment_does_not_affect_others(sandbox):
    settings = read_settings(sandbox.environment | {"ACCESS_IDENTITY": "Human"})
    async with Agent(settings, clock=sandbox.clock) as agent:
        alice = await agent.verifier.verify(sandbox.access_token("alice"))
        left = 0
        for moment in range(MOMENTS):
            question = HumanMessage(QUESTIONS[moment % 2])
            run = agent.runs.start([question], alice, streaming=moment % 3 > 0)
            for _ in range(moment**2):  # steps of the event loop: from before the run begins to after its end
                await asyncio.sleep(0)
            left += run.run.outcome is None
            run.leave()
            await agent.runs.ended()
        assert left > MOMENTS // 8
        assert [await outcomes(agent, alice, question) for question in QUESTIONS] == [[True], [True]]
        assert not agent.runs.limit.counted
        clients = (
            agent.http,
            agent.model.chat.http_async_client,
            *(service._http for service in agent.services),
        )
        assert [in_flight(client) for client in clients] == [0] * len(clients)
