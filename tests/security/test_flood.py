"""A flood of invalid tokens causes about one key fetch a second, and valid callers are not affected."""

import asyncio

import pytest

from tests.running_agent import RunningAgent

pytestmark = pytest.mark.promise("cheap-refusal")

FLOOD, WAVES = 150, 5
BURST = 2
"""Key fetches allowed immediately after a pause; then one a second."""


async def status(agent: RunningAgent, token: str) -> int:
    response = await agent.http.get(
        f"{agent.origin}/openai/v1/models", headers={"Authorization": f"Bearer {token}"}
    )
    return response.status_code


async def test_unknown_keys_cause_about_one_fetch_a_second_while_valid_callers_are_served(
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
            crowd.insert(position * 5, ("good", token))
        await asyncio.gather(*(one(kind, token) for kind, token in crowd))
        sandbox.clock.advance(1)
    assert statuses["bad"] == [401] * FLOOD
    assert statuses["good"] == [200] * WAVES * len(good)
    assert sandbox.cloud.counters.snapshot()["idaas:jwks"] <= WAVES - 1 + BURST


async def test_a_new_key_is_found_at_once_after_one_forged_token(start_agent, sandbox):
    agent = await start_agent()
    await agent.warm()
    sandbox.clock.advance(10)
    assert await status(agent, sandbox.access_token(header={"kid": "unknown"})) == 401
    sandbox.cloud.keys.rotate(overlap=True)
    assert await status(agent, sandbox.access_token()) == 200
