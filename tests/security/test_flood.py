"""A flood of bad tokens costs IDaaS one fetch for each cooldown, and good callers nothing."""

import asyncio

import pytest

from tests.end_to_end.conftest import RunningAgent

pytestmark = pytest.mark.promise("cheap-refusal")

FLOOD, WAVES = 500, 5
COOLDOWN = 10


async def status(agent: RunningAgent, token: str) -> int:
    response = await agent.http.get(
        f"{agent.origin}/openai/v1/models", headers={"Authorization": f"Bearer {token}"}
    )
    return response.status_code


async def test_unknown_keys_cause_one_fetch_for_each_cooldown_while_good_callers_are_served(
    start_agent, sandbox
):
    agent = await start_agent()
    await agent.warm()
    # Signed by the issuer, but under a name that no key has: the dearest of all tokens to refuse.
    bad = [sandbox.access_token("alice", header={"kid": f"unknown-{n}"}) for n in range(FLOOD)]
    good = [sandbox.access_token(user, jti=f"good-{n}") for n in range(5) for user in ("alice", "bob")]
    sandbox.cloud.counters.reset()
    statuses: dict[str, list[int]] = {"bad": [], "good": []}

    async def one(kind: str, token: str) -> None:
        statuses[kind].append(await status(agent, token))

    for wave in range(WAVES):
        crowd = [("bad", token) for token in bad[wave::WAVES]]
        for position, token in enumerate(good):
            crowd.insert(position * 10, ("good", token))
        await asyncio.gather(*(one(kind, token) for kind, token in crowd))
        sandbox.clock.advance(COOLDOWN)
    assert statuses["bad"] == [401] * FLOOD
    assert statuses["good"] == [200] * WAVES * len(good)
    assert sandbox.cloud.counters.snapshot()["idaas:jwks"] <= WAVES


async def test_a_new_key_is_found_after_the_cooldown_that_a_flood_has_caused(start_agent, sandbox):
    agent = await start_agent()
    await agent.warm()
    assert await status(agent, sandbox.access_token(header={"kid": "unknown"})) == 401
    sandbox.cloud.keys.rotate(overlap=True)
    sandbox.clock.advance(COOLDOWN)
    assert await status(agent, sandbox.access_token()) == 200
