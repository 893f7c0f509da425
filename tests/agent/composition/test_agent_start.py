"""The start of an agent."""

from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from tests.suite import Sandbox


async def test_agent_that_is_entered_again_starts_nothing_twice_and_accepts_tokens(sandbox: Sandbox) -> None:
    async with Agent(read_settings(sandbox.environment), clock=sandbox.clock) as agent:
        assert agent.revocation.revocations.unread is None
        assert await agent.__aenter__() is agent
        assert agent.revocation.revocations.unread is None
