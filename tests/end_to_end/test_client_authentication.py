"""By every method of client authentication, both sample questions are answered in both access identities.

And nothing that the agent presents of itself, nor the user's token, is in a log record of any level.
"""

import logging
from pathlib import Path

import pytest

from identity.idaas.client_authentication.role_credential import ROLE_HEADERS
from sandbox.authn_method import AuthnMethod, RoleCredentials
from tests.running_agent import ENTERPRISE, WEATHER
from tests.security.secrecy.canaries import Canaries, leaks, secrets_of

# A method is the same for each grant; the plugin has an action in the place of the token endpoint.
CASES = [
    *((method, RoleCredentials.ENVIRONMENT, "Human") for method in AuthnMethod),
    *((method, RoleCredentials.ENVIRONMENT, "Machine") for method in (AuthnMethod.OIDC, AuthnMethod.PLUGIN)),
    *((AuthnMethod.PLUGIN, source, "Human") for source in list(RoleCredentials)[1:]),
]
METHODS = {
    AuthnMethod.CLIENT_SECRET_POST: "post",
    AuthnMethod.CLIENT_SECRET_BASIC: "basic",
    AuthnMethod.CLIENT_SECRET_JWT: "jwt",
    AuthnMethod.PRIVATE_KEY_JWT: "jwt",
    AuthnMethod.PKCS7: "pkcs7",
    AuthnMethod.OIDC: "oidc",
    AuthnMethod.PCA: "pca",
    AuthnMethod.PLUGIN: "plugin",
}
"""The names of the methods in the events of IDaaS."""
SECRET_FREE = {AuthnMethod.PKCS7, AuthnMethod.OIDC, AuthnMethod.PLUGIN}


@pytest.mark.parametrize(("method", "source", "access_identity"), CASES)
async def test_both_questions_are_answered(
    start_agent, sandbox, tmp_path, caplog, method, source, access_identity
) -> None:
    caplog.set_level(logging.DEBUG)
    variables = sandbox.running.environment_by(method, tmp_path, source)
    agent = await start_agent(access_identity, environment=variables)
    user_token = sandbox.access_token("alice")
    weather = await agent.ask(WEATHER, user_token)
    assert "Hangzhou" in weather.text or "杭州" in weather.text
    enterprise = await agent.ask(ENTERPRISE, user_token)
    caller, other = ("alice", "app_agent01") if access_identity == "Human" else ("app_agent01", "alice")
    assert caller in enterprise.text
    assert other not in enterprise.text
    if method in SECRET_FREE:
        secrets = {sandbox.cloud.secrets.agent_client_secret, sandbox.cloud.secrets.agent_private_key}
        assert secrets.isdisjoint(variables.values())
    events = [event for event in sandbox.cloud.events.snapshot() if event.client == "app_agent01"]
    issued = [e for e in events if e.event.startswith("token.") or e.event == "GenerateOauthToken"]
    assert {event.authentication for event in issued} == {METHODS[method]}
    texts = [("log", record.getMessage()) for record in caplog.records]
    texts += [("weather", weather.body), ("enterprise", enterprise.body)]
    assert leaks(presented(sandbox, variables, user_token), texts) == []


def presented(sandbox, variables: dict[str, str], user_token: str) -> Canaries:
    """Everything secret that the agent can present in this run."""
    canaries = secrets_of(sandbox, user_token)
    for name in ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"):
        if name in variables:
            canaries.add(name, variables[name])
    if file := variables.get("ALIBABA_CLOUD_OIDC_TOKEN_FILE"):
        canaries.add("the workload's token", Path(file).read_text())
    for number, credential in enumerate(sandbox.cloud.execution_role.issued()):
        canaries.add(f"the secret {number} of the role", credential.access_key_secret)
        canaries.add(f"the security token {number} of the role", credential.security_token)
    key = [line for line in sandbox.cloud.federation.keys.agent_key.splitlines() if "-" not in line]
    canaries.add("the certificate's key", key[0])
    return canaries


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
