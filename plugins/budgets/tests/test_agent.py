"""The whole agent over HTTP: a user whose tokens of the day are used up gets no further response."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agent.api.question_source import installed_sources
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from plugins.budgets.daily_budget import DailyBudget
from plugins.budgets.tests.users import used
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
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


RAISED = {
    "ACCESS_IDENTITY": "Machine",
    "CALLER_CLAIMS": "groups",
    "MAX_TOKENS_FOR_USER_A_DAY": "24",
    "BUDGET_APPROVERS": "leads",
}
APPROVE, REJECT = {"decision": "approve"}, {"decision": "reject"}


@pytest.fixture
def replica(threads: ThreadsOf, tmp_path: Path) -> ThreadsOf:
    """A replica whose responses have 12 tokens, and at which `leads` may raise 24 tokens a day to 36."""

    async def start(**variables: str) -> Threads:
        served = await threads([AIMessage("done", usage_metadata=used(7, 5))] * 9, **{**RAISED, **variables})
        for user, groups in {"alice": ["leads"], "bob": ["leads"]}.items():
            served.tokens[user] = served.sandbox.access_token(user, groups=groups)
        return served

    return start


async def said(served: Threads, user: str = "alice") -> str:
    """The answer to a message, or the code of its refusal."""
    response = await served.say("hello", f"thread-{len(served.model.asked)}", user)
    body = response.json()
    return str(body["error"]["code"] if "error" in body else body["choices"][0]["message"]["content"].strip())


async def raises(served: Threads, user: str = "bob") -> list[dict[str, Any]]:
    return list((await served.ask("GET", "/approvals", user)).json()["raises"])


@pytest.mark.promise("another-decides")
async def test_approver_raises_the_limit_of_another_person_at_another_replica(
    replica: ThreadsOf, tmp_path: Path
) -> None:
    logs = [tmp_path / f"audit-{number}.jsonl" for number in range(2)]
    first, second = [await replica(AUDIT_LOG_FILE=str(log), AUDIT_REQUIRED="true") for log in logs]
    assert [await said(first) for _ in range(3)] == ["done", "done", "budget_raise_asked"]
    [asked] = await raises(second)
    shown = {row["name"]: row["text"] for row in asked["display"]}
    assert (asked["kind"], asked["asker"]["sub"], shown["raise_by"]) == (
        "budget_raise",
        "user_alice01",
        "12 tokens",
    )
    path = f"/approvals/{asked['id']}"
    assert await raises(second, "alice") == []
    assert (await second.ask("POST", path, "alice", APPROVE)).json()["error"]["code"] == "approval_invalid"
    assert await said(first) == "budget_raise_asked"
    assert (await second.ask("POST", path, "bob", APPROVE)).status_code == 204
    again = await first.ask("POST", path, "bob", APPROVE)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "approval_used")
    assert [await said(first) for _ in range(2)] == ["done", "budget_spent"]
    printed = (await first.command("audit", "usage", *map(str, logs))).stdout
    assert printed.startswith("user_alice01  6 responses  21 in  15 out")


@pytest.mark.promise("another-decides")
async def test_operator_sees_and_ends_a_raise(replica: ThreadsOf) -> None:
    served = await replica()
    assert [await said(served) for _ in range(3)] == ["done", "done", "budget_raise_asked"]
    [asked] = await raises(served)
    listed = (await served.command("grants")).stdout
    assert asked["id"] in listed
    assert '"amount": "12"' in listed
    assert (await served.ask("POST", f"/approvals/{asked['id']}", "bob", APPROVE)).status_code == 204
    ended = (await served.command("grants", "--withdraw", asked["id"])).stdout
    assert f"withdrawn: {asked['id']}" in ended
    assert await said(served) == "budget_spent"


async def test_listeners_of_questions_hear_of_raises(replica: ThreadsOf) -> None:
    agent = (await replica()).agent
    [budget] = [budget for budget in agent.budgets if isinstance(budget, DailyBudget)]
    assert budget.raises is not None
    assert budget.raises.announce == agent.listeners.announce
    assert "raises" in [source.name for source in installed_sources()]


async def test_without_approvers_nobody_is_asked(replica: ThreadsOf) -> None:
    served = await replica(BUDGET_APPROVERS="")
    assert [await said(served) for _ in range(3)] == ["done", "done", "budget_spent"]
    assert await raises(served) == []
