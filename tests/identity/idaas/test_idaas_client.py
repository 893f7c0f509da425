"""The IDaaS client against the sandbox: issued credentials, refusals and secrecy."""

import traceback
from dataclasses import replace
from typing import Any

import httpx
import pytest

from graph.error_codes import GraphCode
from identity.credentials.requirement import ApiKeyRequirement
from identity.error_codes import IdentityCode
from identity.errors import AgentError, PrerequisiteRefusedError, RequirementRefusedError, UnreachableError
from identity.idaas.client import IDaaSClient
from identity.idaas.client_authentication.client_secret_basic import ClientSecretBasic
from identity.idaas.client_authentication.client_secret_post import ClientSecretPost
from identity.idaas.configuration import SdkConfiguration
from identity.secrets.secret import Secret
from identity.secrets.secret_source import FixedSecret
from identity.transport.retry import RetryPolicy
from sandbox.faults.faults import Fault
from tests.identity.idaas.sandbox_client import ENTERPRISE, LEAVE, LLM_KEY, PAM, Waits, refusal
from tools.error_codes import ToolCode


async def test_machine_token_names_the_agent(sandbox: Any, client: IDaaSClient) -> None:
    issued = await client.machine_token(ENTERPRISE)
    assert sandbox.cloud.access_tokens.verify(issued.secret.reveal()).subject == "app_agent01"
    assert issued.expires_at == sandbox.clock.now + 1200


async def test_exchanged_token_names_the_user(sandbox: Any, client: IDaaSClient) -> None:
    issued = await client.exchange(Secret(sandbox.access_token("alice")), ENTERPRISE)
    token = sandbox.cloud.access_tokens.verify(issued.secret.reveal())
    assert (token.subject, token.audience) == ("user_alice01", "https://enterprise.sandbox.example")


async def test_api_key_is_read_under_either_identity(sandbox: Any, client: IDaaSClient) -> None:
    own = await client.machine_token(PAM)
    users = await client.exchange(Secret(sandbox.access_token("bob")), PAM)
    for token in (own.secret, users.secret):
        assert (await client.obtain(token, LLM_KEY)).secret.reveal() == sandbox.cloud.secrets.llm_api_key


async def test_wrong_client_secret_has_its_own_code(
    sandbox: Any, configuration: SdkConfiguration, retries: RetryPolicy
) -> None:
    for kind in (ClientSecretPost, ClientSecretBasic):
        wrong = replace(
            configuration, client_authentication=kind("app_agent01", FixedSecret(Secret("wrong-canary")))
        )
        async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
            client = IDaaSClient(wrong, http, retries=retries)
            for call in (client.machine_token(PAM), client.exchange(Secret("token"), PAM)):
                error = await refusal(call)
                assert error.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED
                assert "canary" not in f"{error} {error.detail}"


async def test_scope_not_granted_to_the_agent_is_refused(client: IDaaSClient) -> None:
    for scope in (LEAVE, "https://unknown.example|read"):
        error = await refusal(client.machine_token(scope))
        assert error.code is IdentityCode.MACHINE_TOKEN_FAILED
        assert scope in error.detail


async def test_exchange_for_a_scope_not_granted_to_the_user_is_refused(
    sandbox: Any, client: IDaaSClient
) -> None:
    token = sandbox.access_token("bob")
    error = await refusal(client.exchange(Secret(token), LEAVE))
    assert error.code is IdentityCode.TOKEN_EXCHANGE_FAILED
    assert token not in f"{error} {error.detail}"


@pytest.mark.parametrize("token", ["not-a-token", "a.b.c"])
async def test_refused_user_token_has_its_own_code(client: IDaaSClient, token: str) -> None:
    error = await refusal(client.exchange(Secret(token), ENTERPRISE))
    assert error.code is IdentityCode.USER_TOKEN_REFUSED


async def test_malformed_exchange_has_the_general_code(client: IDaaSClient) -> None:
    error = await refusal(client.exchange(Secret(""), ENTERPRISE))
    assert error.code is IdentityCode.TOKEN_EXCHANGE_FAILED


async def test_agent_without_the_grant_type_has_its_own_code(sandbox: Any, client: IDaaSClient) -> None:
    applications = sandbox.cloud.directory.applications
    agent = applications["app_agent01"]
    applications["app_agent01"] = replace(agent, grant_types=agent.grant_types - {"token_exchange"})
    error = await refusal(client.exchange(Secret(sandbox.access_token("alice")), ENTERPRISE))
    assert error.code is IdentityCode.AGENT_EXCHANGE_REFUSED


async def test_expired_user_token_is_refused(sandbox: Any, client: IDaaSClient) -> None:
    token = sandbox.access_token("alice", lifetime=60)
    sandbox.clock.advance(120)
    error = await refusal(client.exchange(Secret(token), ENTERPRISE))
    assert error.code is IdentityCode.USER_TOKEN_REFUSED


async def test_refused_key_has_the_code_of_its_requirement(sandbox: Any, client: IDaaSClient) -> None:
    token = (await client.machine_token(PAM)).secret
    for code in (GraphCode.LLM_API_KEY_UNAVAILABLE, ToolCode.EXTERNAL_API_KEY_UNAVAILABLE):
        error = await refusal(
            client.obtain(token, ApiKeyRequirement("unknown", code)), RequirementRefusedError
        )
        assert error.code is code
        assert not isinstance(error, PrerequisiteRefusedError)
    sandbox.cloud.vault.disable("llm_api_key")
    assert (await refusal(client.obtain(token, LLM_KEY))).code is LLM_KEY.error_code


async def test_refused_pam_token_raises_prerequisite_refused(sandbox: Any, client: IDaaSClient) -> None:
    token = (await client.machine_token(PAM)).secret
    sandbox.clock.advance(3600)
    await refusal(client.obtain(token, LLM_KEY), PrerequisiteRefusedError)
    enterprise = (await client.machine_token(ENTERPRISE)).secret
    await refusal(client.obtain(enterprise, LLM_KEY), PrerequisiteRefusedError)


async def test_malformed_body_is_not_a_usable_response(sandbox: Any, client: IDaaSClient) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(broken_body=True))
    assert (await refusal(client.machine_token(PAM), UnreachableError)).code is IdentityCode.IDAAS_UNREACHABLE


async def test_untrusted_certificate_is_a_failed_connection(
    configuration: SdkConfiguration, waits: Waits
) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        client = IDaaSClient(configuration, http, retries=RetryPolicy(sleep=waits))
        error = await refusal(client.machine_token(PAM), UnreachableError)
    assert "certificate" in error.detail


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(status=500), Fault(broken_body=True), None])
async def test_frames_of_an_error_contain_no_secret(
    sandbox: Any, client: IDaaSClient, fault: Fault | None
) -> None:
    secret, user_token = sandbox.environment["IDAAS_CLIENT_SECRET"], sandbox.access_token("bob")
    if fault:
        sandbox.cloud.faults.set("idaas.token", fault)
    error = await refusal(client.exchange(Secret(user_token), LEAVE), AgentError)
    inner: BaseException | None = error
    while inner is not None:
        assert not isinstance(inner, httpx.HTTPError)
        inner = inner.__cause__ or inner.__context__
    assert error.__traceback__ is not None
    below = error.with_traceback(error.__traceback__.tb_next)
    shown = "".join(traceback.TracebackException.from_exception(below, capture_locals=True).format())
    assert "_token" in shown
    assert secret not in shown
    assert user_token not in shown
