"""The tools of the leave service against the sandbox, as alice."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from identity.credentials.requirement import AccessTokenRequirement
from identity.principal import AccessIdentity
from sandbox.state.directory import LEAVE_AUDIENCE
from tools import leave
from tools.approval_policy import ApprovalMode, Effect
from tools.http_service.service import HTTPService


@pytest.fixture
async def service(sandbox):
    scope = AccessTokenRequirement(sandbox.environment["LEAVE_SERVICE_SCOPE"])
    url = sandbox.environment["LEAVE_SERVICE_URL"]
    service = HTTPService("leave", url, scope, ssl_context=sandbox.ssl_context)
    leave.service(service, {})
    yield service
    await service.aclose()


@pytest.fixture
def call(sandbox, service, key_ring):
    token = sandbox.access_token("alice", audience=LEAVE_AUDIENCE, permissions=("leave.write",))

    async def run(tool, **arguments):
        return await service.call(tool, arguments, key_ring(token))

    return run


@pytest.fixture
def soon(sandbox):
    return (datetime.fromtimestamp(sandbox.clock(), UTC).date() + timedelta(days=7)).isoformat()


async def test_leave_is_applied_for_listed_and_cancelled(call, soon):
    applied = await call("leave_apply", days=3, first_day=soon)
    assert (applied.ok, json.loads(applied.text)["days_left"]) == (True, 9)
    assert json.loads((await call("leave_applications")).text)["applications"][0]["from"] == soon
    assert json.loads((await call("leave_balance")).text)["days_left"] == 9
    assert (await call("leave_cancel", first_day=soon)).ok
    assert json.loads((await call("leave_applications")).text)["applications"] == []


async def test_refusal_by_the_rules_of_leave_is_a_result_that_says_why(call, soon):
    refused = await call("leave_apply", days=30, first_day=soon)
    assert (refused.ok, json.loads(refused.text)["error"]) == (False, "overlapping_leave")
    refused = await call("leave_cancel", first_day=soon)
    assert (refused.ok, json.loads(refused.text)["error"]) == (False, "unknown_application")


@pytest.mark.parametrize(
    ("tool", "effect", "mode"),
    [
        ("leave_balance", Effect.READ, ApprovalMode.ALLOW),
        ("leave_applications", Effect.READ, ApprovalMode.ALLOW),
        ("leave_apply", Effect.WRITE, ApprovalMode.ASK),
        ("leave_cancel", Effect.WRITE, ApprovalMode.ASK),
    ],
)
def test_tools_that_change_something_ask_the_employee(service, tool, effect, mode):
    policy = service.policy(tool)
    assert (policy.effect, policy.mode_for({}, AccessIdentity.HUMAN)) == (effect, mode)
