"""On Function Compute the role credential of each request is used, so that a long-lived instance goes on."""

import pytest

from identity.idaas.client_authentication.role_credential import ROLE_HEADERS
from sandbox.authn_method import AuthnMethod
from tests.running_agent import ENTERPRISE

NO_KEY = dict.fromkeys(
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"), ""
)
FUNCTION_COMPUTE = {"FC_REGION": "cn-hangzhou", "FC_CREDENTIALS_FROM_HEADERS": "true"}


@pytest.mark.parametrize("start", [{}, NO_KEY], ids=["credential at the start", "none at the start"])
async def test_the_credential_of_the_newest_request_is_used(start_agent, sandbox, tmp_path, start) -> None:
    role = sandbox.cloud.execution_role
    variables = sandbox.running.environment_by(AuthnMethod.PLUGIN, tmp_path) | start
    agent = await start_agent("Human", **variables, **FUNCTION_COMPUTE)
    role.expire()  # what the instance started with

    async def ask(user: str) -> str:
        credential = role.issue(3600)
        values = (credential.access_key_id, credential.access_key_secret, credential.security_token)
        response = await agent.http.post(
            f"{agent.origin}/openai/v1/chat/completions",
            json={"messages": [{"role": "user", "content": ENTERPRISE}]},
            headers={
                "Authorization": f"Bearer {sandbox.access_token(user)}",
                **dict(zip(ROLE_HEADERS, values, strict=True)),
            },
        )
        return response.text

    assert "alice" in await ask("alice")
    role.expire()  # 36 hours later
    assert "bob" in await ask("bob")


async def test_headers_are_no_credential_where_that_is_not_chosen(start_agent, sandbox, tmp_path) -> None:
    variables = sandbox.running.environment_by(AuthnMethod.PLUGIN, tmp_path)
    agent = await start_agent("Machine", **variables)
    assert agent.composed.settings.header_role is None
    forged = dict.fromkeys(ROLE_HEADERS, "STS.forged")
    response = await agent.http.post(
        f"{agent.origin}/openai/v1/chat/completions",
        json={"messages": [{"role": "user", "content": ENTERPRISE}]},
        headers={"Authorization": f"Bearer {sandbox.access_token()}", **forged},
    )
    assert "app_agent01" in response.text
