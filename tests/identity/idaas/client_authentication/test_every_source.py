"""Each method of client authentication against the sandbox, which verifies it: token, exchange, API key.

Read by the agent's settings, as `serve` reads them.
"""

import httpx
import pytest

from agent.settings.settings import read_settings
from identity.credentials.requirement import ApiKeyRequirement
from identity.idaas.client import IDaaSClient
from identity.secrets.secret import Secret
from sandbox.authn_method import AuthnMethod, RoleCredentials

PAM = "urn:cloud:idaas:pam|.all"
ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
CASES = [(AuthnMethod.PLUGIN, source) for source in RoleCredentials]
"""The other methods are in tests/end_to_end/test_client_authentication.py."""


@pytest.mark.parametrize(("method", "source"), CASES)
async def test_machine_and_human_credentials_are_obtained(sandbox, tmp_path, method, source):
    settings = read_settings(sandbox.running.environment_by(method, tmp_path, source))
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        client = IDaaSClient(settings.idaas, http)
        machine = await client.machine_token(ENTERPRISE)
        human = await client.exchange(Secret(sandbox.access_token("alice")), ENTERPRISE)
        own_pam = await client.machine_token(PAM)
        users_pam = await client.exchange(Secret(sandbox.access_token("alice")), PAM)
        key = await client.obtain(own_pam.secret, ApiKeyRequirement("llm_api_key"))
        users_key = await client.obtain(users_pam.secret, ApiKeyRequirement("amap_api_key"))
    verify = sandbox.cloud.access_tokens.verify
    assert verify(machine.secret.reveal()).subject == "app_agent01"
    assert verify(human.secret.reveal()).subject == "user_alice01"
    assert key.secret.reveal() == sandbox.cloud.secrets.llm_api_key
    assert users_key.secret.reveal() == sandbox.cloud.secrets.amap_api_key
    used = {event.authentication for event in sandbox.cloud.events.snapshot()}
    assert method.removeprefix("CLIENT_SECRET_").lower() in used or "jwt" in used
