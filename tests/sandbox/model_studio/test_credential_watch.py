"""A credential in a prompt is counted."""

import json

import pytest

from tests.sandbox.model_studio.client import WEATHER, request


@pytest.mark.parametrize(
    "leak",
    [
        "Authorization: Bearer abcdefghijklmnop1234",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
        "sk-0123456789abcdef0123456789abcdef",
    ],
)
async def test_credential_in_a_prompt_is_counted(sandbox, http, url, leak):
    await http.post(url, json=request(f"remember {leak}"))
    assert sandbox.cloud.counters.snapshot()["model_studio:credential_in_prompt"] == 1


async def test_own_secrets_of_the_sandbox_are_recognized_anywhere_in_the_body(sandbox, http, url):
    tool = json.loads(json.dumps(WEATHER))
    tool["function"]["description"] += sandbox.cloud.secrets.agent_client_secret
    await http.post(url, json=request(tools=[tool]))
    assert sandbox.cloud.counters.snapshot()["model_studio:credential_in_prompt"] == 1


async def test_ordinary_prompt_is_not_taken_for_a_credential(sandbox, http, url):
    await http.post(url, json=request("Explain what a Bearer token is, and the sk-prefix.", tools=[WEATHER]))
    assert "model_studio:credential_in_prompt" not in sandbox.cloud.counters.snapshot()
