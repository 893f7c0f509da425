"""The whole agent over HTTP with a policy: its start, its readiness, and calls that the policy decides."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from starlette.responses import Response

from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from identity.errors import ConfigurationError
from plugins.policy.call_policy import CedarPolicy
from plugins.policy.situation import FAILED
from plugins.policy.tests.decision_points import DecisionPoint
from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import APPLIES
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("policy-decides")

RULES = """@id("all") permit (principal, action, resource);
@id("short") forbid (principal, action == Action::"leave.leave_apply", resource)
when { context.input.days > 2 };
@id("lists") forbid (principal, action == Action::"amap.maps_weather", resource)
when { context.input.city == "Hangzhou" };
// end
"""
PDP = "https://pdp.example/access/v1/evaluation"
DENIED = "not run: the policy of the agent denies this call"


def publish(file: Path, text: str) -> Path:
    """Publishes a file as plugins/policy/README.md says."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, file)  # noqa: PTH105 - the same
    return file


def look_again(agent: Agent) -> None:
    """As if a second had passed."""
    [policy] = agent.policies
    assert isinstance(policy, CedarPolicy)
    policy.file._looked = float("-inf")
    agent.readiness.remembered_seconds = 0


async def results(served: Threads, thread: str) -> list[str]:
    """The results of tools on a new thread."""
    await served.say("go on", thread)
    messages = (await served.ask("GET", f"/threads/{thread}")).json()["messages"]
    return [message["content"] for message in messages if message["role"] == "tool"]


async def test_file_decides_calls_of_both_identities_and_is_taken_up_while_the_agent_serves(
    threads: ThreadsOf, tmp_path: Path
) -> None:
    file = publish(tmp_path / "policy.cedar", RULES)
    weather = [calls(("maps_weather", {"city": city})) for city in ("Hangzhou", "Shanghai")]
    turns = [each for turn in (APPLIES, *weather) for each in (turn, DONE)]
    served = await threads([*turns, APPLIES], ACCESS_IDENTITY="Machine", POLICY_FILE=str(file))
    assert await results(served, "leave") == [DENIED]
    assert await results(served, "denied") == [DENIED]
    assert "上海" in (await results(served, "allowed"))[0]

    publish(file, RULES.replace("days > 2", "days > 3"))
    look_again(served.agent)
    assert await results(served, "longer") == []
    assert (await served.ask("GET", "/threads/longer")).json()["status"] == "paused"

    publish(file, RULES.replace("context.input.days", "context.input.weeks"))
    look_again(served.agent)
    ready = (await served.ask("GET", "/ready")).json()
    assert (ready["status"], ready["checks"]["policy"]["code"]) == ("degraded", "policy_invalid")


async def test_decision_point_decides_calls_and_its_failure_denies_them(
    threads: ThreadsOf, serve: Callable[..., Awaitable[str]]
) -> None:
    point = await DecisionPoint(lambda given: given["context"]["input"]["city"] == "Shanghai").served(serve)
    weather = [calls(("maps_weather", {"city": city})) for city in ("Hangzhou", "Shanghai", "Shanghai")]
    turns = [each for turn in weather for each in (turn, DONE)]
    served = await threads(turns, ACCESS_IDENTITY="Machine", POLICY_URL=point.url)
    assert await results(served, "denied") == [DENIED]
    assert "上海" in (await results(served, "allowed"))[0]

    point.decide = lambda _: Response(status_code=500)
    assert await results(served, "failed") == [FAILED]
    served.agent.readiness.remembered_seconds = 0
    ready = await served.ask("GET", "/ready")
    assert (ready.status_code, ready.json()["checks"]["policy"]["code"]) == (200, "policy_unavailable")


def test_agent_does_not_start_with_a_file_that_is_not_valid(sandbox: Sandbox, tmp_path: Path) -> None:
    file = publish(tmp_path / "policy.cedar", RULES.replace("context.input.days", "context.input.weeks"))
    with pytest.raises(ConfigurationError) as error:
        Agent(read_settings(sandbox.environment | {"POLICY_FILE": str(file)}))
    assert error.value.faults[0].startswith("2: ")


@pytest.mark.parametrize(
    ("variables", "fault"),
    [
        (
            {"POLICY_FILE": __file__, "POLICY_GROUPS": "staff,finance", "CALLER_CLAIMS": "name"},
            "CALLER_CLAIMS must name groups, the claim that has the groups of POLICY_GROUPS",
        ),
        (
            {"POLICY_FILE": __file__, "POLICY_TIME_ZONE": "../etc"},
            "POLICY_TIME_ZONE must name a time zone of this machine, such as Asia/Shanghai",
        ),
        ({"POLICY_FILE": __file__, "POLICY_URL": PDP}, "POLICY_FILE and POLICY_URL must not both be set"),
        ({"POLICY_MODE": "observe", "POLICY_URL": PDP}, "POLICY_MODE must not be set without POLICY_FILE"),
        ({"POLICY_SCOPE": "a|b"}, "POLICY_SCOPE must not be set without POLICY_URL"),
        (
            {"POLICY_URL": PDP.replace("https", "http")},
            "POLICY_URL must be an https URL (http to a loopback address only), without user and fragment",
        ),
    ],
)
def test_setting_that_would_be_without_effect_or_unsafe_stops_the_start(
    sandbox: Sandbox, variables: dict[str, str], fault: str
) -> None:
    with pytest.raises(ConfigurationError) as error:
        read_settings(sandbox.environment | variables)
    assert error.value.faults == (fault,)
