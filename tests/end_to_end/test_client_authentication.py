"""Both sample questions are answered under each method of client authentication, as the machine and as alice.

Variables and configuration file are those that `idaas-agent up --authn …` writes.
"""

import pytest

from sandbox.authn_method import AuthnMethod
from tests.running_agent import ENTERPRISE, WEATHER


@pytest.mark.parametrize("method", AuthnMethod)
@pytest.mark.parametrize(("access_identity", "caller"), [("Machine", "app_agent01"), ("Human", "alice")])
async def test_both_questions_are_answered(
    start_agent, sandbox, tmp_path, method, access_identity, caller
) -> None:
    variables = sandbox.running.environment_by(method, tmp_path)
    agent = await start_agent(access_identity, **variables)
    weather = await agent.ask(WEATHER, sandbox.access_token("alice"))
    assert "Hangzhou" in weather.text or "杭州" in weather.text
    enterprise = await agent.ask(ENTERPRISE, sandbox.access_token("alice"))
    assert caller in enterprise.text
