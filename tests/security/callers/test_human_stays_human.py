"""Under Human identity the agent never requests its own token, for any response of IDaaS."""

import pytest

from sandbox.faults.faults import Fault
from sandbox.state.directory import AGENT, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE, PAM_AUDIENCE
from tests.running_agent import ENTERPRISE, GREETING, LEAVE, WEATHER

pytestmark = pytest.mark.promise("human-stays-human")

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
FAULTS = {
    "drop": Fault(drop=True),
    "broken body": Fault(broken_body=True),
    "redirect": Fault(redirect="http://127.0.0.1:1/token"),
    "flood": Fault(flood=300_000),
    **{f"status {status}": Fault(status=status) for status in (401, 403, 429, 500)},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("service", ["idaas.token", "developer_api"])
async def test_fault_of_idaas_causes_no_request_for_the_agents_own_token(
    start_impatient_agent, sandbox, service, fault
):
    started = await start_impatient_agent("Human")
    token = sandbox.access_token("alice")
    sandbox.cloud.faults.set(service, FAULTS[fault])
    cold = await started.agent.ask(GREETING, token)
    assert cold.status in (502, 503)
    sandbox.cloud.faults.clear()
    sandbox.clock.advance(2)  # a refusal is remembered for as long
    for question in (ENTERPRISE, WEATHER):
        assert (await started.agent.ask(question, token)).status == 200
    # During the run: the cached credentials have expired, and new ones cannot be obtained.
    sandbox.clock.advance(1300)
    sandbox.cloud.faults.set(service, FAULTS[fault])
    for question in (ENTERPRISE, LEAVE):
        await started.agent.ask(question, sandbox.access_token("alice"))
    assert set(started.requests.grants) == {EXCHANGE}
    assert not [event for event in sandbox.cloud.events.snapshot() if event.subject == AGENT]


def withdraw_the_users_right_to_keys(cloud):
    cloud.directory.people = {grant for grant in cloud.directory.people if grant[1] != PAM_AUDIENCE}


def withdraw_the_users_right_to_services(cloud):
    services = (ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE)
    cloud.directory.people = {grant for grant in cloud.directory.people if grant[1] not in services}


def withdraw_the_agents_right_to_act_for_users(cloud):
    cloud.directory.delegated = {grant for grant in cloud.directory.delegated if grant[0] != AGENT}


def disable_the_user(cloud):
    cloud.directory.disabled.add("user_alice01")


def keep_the_keys_from_the_user(cloud):
    for identifier in ("llm_api_key", "amap_api_key"):
        cloud.vault.find(identifier).readers.discard("user_alice01")


def disable_the_keys(cloud):
    for identifier in ("llm_api_key", "amap_api_key"):
        cloud.vault.disable(identifier)


@pytest.mark.parametrize(
    "change",
    [
        withdraw_the_users_right_to_keys,
        withdraw_the_users_right_to_services,
        withdraw_the_agents_right_to_act_for_users,
        disable_the_user,
        keep_the_keys_from_the_user,
        disable_the_keys,
    ],
)
async def test_refusal_of_the_user_causes_no_request_for_the_agents_own_token(
    start_impatient_agent, sandbox, change
):
    started = await start_impatient_agent("Human")
    change(sandbox.cloud)
    answers = [
        await started.agent.ask(question, sandbox.access_token("alice"))
        for question in (GREETING, ENTERPRISE, WEATHER, LEAVE)
    ]
    assert set(started.requests.grants) == {EXCHANGE}
    assert not [event for event in sandbox.cloud.events.snapshot() if event.subject == AGENT]
    for answer in answers:
        assert AGENT not in answer.text if answer.status == 200 else answer.status == 502
