"""By every method of client authentication, both sample questions are answered in both access identities."""

import pytest

from sandbox.authn_method import AuthnMethod, RoleCredentials
from tests.running_agent import ENTERPRISE, WEATHER

IDENTITIES = ("Machine", "Human")
CASES = [
    *((method, RoleCredentials.ENVIRONMENT, identity) for method in AuthnMethod for identity in IDENTITIES),
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
    start_agent, sandbox, tmp_path, method, source, access_identity
) -> None:
    variables = sandbox.running.environment_by(method, tmp_path, source)
    agent = await start_agent(access_identity, environment=variables)
    weather = await agent.ask(WEATHER, sandbox.access_token("alice"))
    assert "Hangzhou" in weather.text or "杭州" in weather.text
    enterprise = await agent.ask(ENTERPRISE, sandbox.access_token("alice"))
    assert ("alice" if access_identity == "Human" else "app_agent01") in enterprise.text
    if method in SECRET_FREE:
        secrets = {sandbox.cloud.secrets.agent_client_secret, sandbox.cloud.secrets.agent_private_key}
        assert secrets.isdisjoint(variables.values())
    events = [event for event in sandbox.cloud.events.snapshot() if event.client == "app_agent01"]
    issued = [e for e in events if e.event.startswith("token.") or e.event == "GenerateOauthToken"]
    assert {event.authentication for event in issued} == {METHODS[method]}
