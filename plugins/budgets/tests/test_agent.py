"""The whole agent over HTTP: a user whose tokens of the day are used up gets no further response."""

import pytest
from langchain_core.messages import AIMessage

from plugins.budgets.tests.users import used
from tests.agent.api.threads.served_threads import ThreadsOf

pytestmark = pytest.mark.promise("bounded")


async def test_user_gets_no_response_after_the_one_that_has_used_up_their_tokens(threads: ThreadsOf) -> None:
    done = AIMessage("done", usage_metadata=used(7, 5))
    served = await threads([done], ACCESS_IDENTITY="Machine", MAX_TOKENS_FOR_USER_A_DAY="12")
    first = await served.say("hello", "first")
    assert (first.status_code, first.json()["usage"]["total_tokens"]) == (200, 12)
    second = await served.say("hello", "second")
    assert (second.status_code, second.json()["error"]["code"]) == (429, "budget_spent")
    assert (await served.say("hello", "third", "bob")).status_code == 200
