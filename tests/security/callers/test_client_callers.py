"""A token whose subject is a client is refused, unless a setting admits clients."""

import pytest

from sandbox.state.directory import AGENT

pytestmark = pytest.mark.promise("verified-caller")

CLIENTS = [
    {"sub": "app_other", "client_id": "app_other"},
    {"sub": "app_other", "azp": "app_other"},
    {"sub": "app_other:urn:robot:7", "client_id": "app_other"},
    {"sub": AGENT},
    {"sub": f"{AGENT}:urn:robot:7"},
]
PERSONS = [
    {"sub": "user_alice01", "client_id": "app_client01"},
    {"sub": "app_otherwise", "client_id": "app_other"},
    {"sub": f"{AGENT}2"},
]


async def answer(agent, token):
    return await agent.http.get(
        f"{agent.origin}/openai/v1/models", headers={"Authorization": f"Bearer {token}"}
    )


async def test_client_is_refused_and_a_user_of_the_same_client_is_admitted(start_agent, sandbox):
    agent = await start_agent()
    for claims in CLIENTS:
        refused = await answer(agent, sandbox.access_token(**claims))
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "access_token_invalid")
        assert 'error="invalid_token"' in refused.headers["www-authenticate"]
    for claims in PERSONS:
        assert (await answer(agent, sandbox.access_token(**claims))).status_code == 200


async def test_client_is_admitted_if_the_setting_allows_it(start_agent, sandbox):
    agent = await start_agent(ALLOW_CLIENT_CALLERS="true")
    for claims in [*CLIENTS, *PERSONS]:
        assert (await answer(agent, sandbox.access_token(**claims))).status_code == 200
    blank = await answer(agent, sandbox.access_token(sub=" ", client_id="app_other"))
    assert blank.status_code == 401
