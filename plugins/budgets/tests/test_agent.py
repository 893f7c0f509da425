"""The whole agent over HTTP: a user whose tokens of the day are used up gets no further response."""

from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from plugins.budgets.tests.users import used
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("bounded")


async def test_user_gets_no_response_after_the_one_that_has_used_up_their_tokens(threads: ThreadsOf) -> None:
    done = AIMessage("done", usage_metadata=used(7, 5))
    served = await threads([done], ACCESS_IDENTITY="Machine", MAX_TOKENS_FOR_USER_A_DAY="12")
    first = await served.say("hello", "first")
    assert (first.status_code, first.json()["usage"]["total_tokens"]) == (200, 12)
    second = await served.say("hello", "second")
    assert (second.status_code, second.json()["error"]["code"]) == (429, "budget_spent")
    assert (await served.say("hello", "third", "bob")).status_code == 200


@pytest.mark.parametrize("limit", ["", "12"])
async def test_limit_makes_every_model_of_the_agent_report_what_its_streams_use(
    limit: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    variables = {
        "LLM_PROVIDER": "openai_compatible",
        "LLM_MODEL": "a-model",
        "CONVERSATIONS_URL": f"sqlite:///{tmp_path}/threads.db",
    }
    if limit:
        variables["MAX_TOKENS_FOR_USER_A_DAY"] = limit
    agent = Agent(read_settings(sandbox.environment | variables))
    models = [agent.model, agent.named_models.of("another")]
    assert [model.chat.stream_usage for model in models] == [bool(limit)] * 2
    await agent.aclose()
