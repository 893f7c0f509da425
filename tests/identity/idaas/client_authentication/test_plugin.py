"""PLUGIN: GenerateOauthToken under the execution role; the user's token stays out of the URL."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from identity.error_codes import IdentityCode
from identity.errors import AgentError, ConfigurationError
from identity.idaas.client_authentication.method import Grant, TokenRequest
from identity.secrets.secret import Secret
from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.ram import Policy, Statement

ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
USER_TOKEN = "users-token-canary"
PLUGIN = AuthnMethod.PLUGIN


async def error_of(call: Any) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await call
    return caught.value


async def exchange_request(agent_of: Any, where: str) -> TokenRequest:
    authentication = agent_of.settings(PLUGIN, OPENAPI_SUBJECT_TOKEN_IN=where).idaas.client_authentication
    grant = Grant(ENTERPRISE, Secret(USER_TOKEN))
    request: TokenRequest = await authentication.authenticate(
        TokenRequest.unauthenticated(grant, "https://x")
    )
    return request


@pytest.mark.promise("no-secret-leaves")
async def test_the_users_token_is_in_the_body_and_the_grant_type_in_the_query(agent_of: Any) -> None:
    request = await exchange_request(agent_of, "body")
    query = parse_qs(urlsplit(request.url).query)
    assert USER_TOKEN not in request.url
    assert request.form == {"SubjectToken": USER_TOKEN}
    assert query["GrantType"] == ["urn:ietf:params:oauth:grant-type:token-exchange"]
    assert USER_TOKEN not in repr(request)


async def test_the_users_token_is_in_the_query_only_where_that_is_chosen(agent_of: Any) -> None:
    request = await exchange_request(agent_of, "query")
    assert parse_qs(urlsplit(request.url).query)["SubjectToken"] == [USER_TOKEN]
    assert request.form == {}


@pytest.mark.promise("human-stays-human")
async def test_an_api_that_ignores_the_body_refuses_the_exchange(agent_of: Any, sandbox: Any) -> None:
    sandbox.cloud.settings.openapi_form_parameters = False
    user_token = Secret(sandbox.access_token("alice"))
    error = await error_of(agent_of.client(PLUGIN).token(ENTERPRISE, user_token))
    assert error.code is IdentityCode.TOKEN_EXCHANGE_FAILED
    assert "OpenAPI: " in error.detail
    in_query = agent_of.client(PLUGIN, OPENAPI_SUBJECT_TOKEN_IN="query")
    await in_query.token(ENTERPRISE, user_token)


@pytest.mark.promise("human-stays-human", "users-never-cross")
@pytest.mark.parametrize("subject", ["app_agent01", "user_bob01"])
async def test_token_of_another_subject_in_response_to_an_exchange_is_refused(agent_of, sandbox, subject):
    """As from an API that ignores the grant type: the agent's own token would act as the agent."""
    issued = sandbox.access_token(audience="https://enterprise.sandbox.example", sub=subject)

    def ignoring(_: httpx.Request) -> httpx.Response:
        token = {"TokenType": "Bearer", "AccessToken": issued, "ExpiresIn": 1200}
        return httpx.Response(200, json={"TokenResponse": token})

    async with httpx.AsyncClient(transport=httpx.MockTransport(ignoring)) as agent_of.http:
        client = agent_of.client(PLUGIN)
        error = await error_of(client.token(ENTERPRISE, Secret(sandbox.access_token("alice"))))
    assert error.code is IdentityCode.TOKEN_EXCHANGE_FAILED
    assert 'claim "sub"' in error.detail


async def test_the_refusal_of_a_ram_policy_names_its_code(agent_of: Any, sandbox: Any) -> None:
    sandbox.cloud.execution_role.policy = Policy(
        statement=[Statement(effect="Deny", action=["eiam:*"], resource=["*"])]
    )
    error = await error_of(agent_of.client(PLUGIN).token(ENTERPRISE))
    assert error.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED
    assert "OpenAPI: NoPermission (status 403" in error.detail


async def test_an_expired_role_credential_is_replaced_where_the_platform_has_a_newer(
    agent_of: Any, sandbox: Any, count: Any
) -> None:
    by_uri = agent_of.client(PLUGIN, source=RoleCredentials.URI)
    await by_uri.token(ENTERPRISE)
    sandbox.cloud.execution_role.expire()
    await by_uri.token(ENTERPRISE)
    assert count("credentials_uri:credentials") == 2


async def test_an_expired_role_credential_of_the_environment_is_refused(agent_of: Any, sandbox: Any) -> None:
    client = agent_of.client(PLUGIN)
    sandbox.cloud.execution_role.expire()
    error = await error_of(client.token(ENTERPRISE))
    assert "InvalidSecurityToken.Expired" in error.detail


async def test_refusals_are_told_apart(agent_of: Any, sandbox: Any) -> None:
    client = agent_of.client(PLUGIN)
    alice = Secret(sandbox.access_token("alice"))
    old = Secret(sandbox.access_token("alice", lifetime=-10))
    codes = {
        "scope": (await error_of(client.token("https://none.example|x"))).code,
        "exchanged scope": (await error_of(client.token("https://none.example|x", alice))).code,
        "user's token": (await error_of(client.token(ENTERPRISE, old))).code,
    }
    assert codes == {
        "scope": IdentityCode.MACHINE_TOKEN_FAILED,
        "exchanged scope": IdentityCode.TOKEN_EXCHANGE_FAILED,
        "user's token": IdentityCode.USER_TOKEN_REFUSED,
    }


async def test_throttling_is_temporary_though_its_status_is_400(agent_of: Any) -> None:
    def throttled(_: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"Code": "Throttling.User", "Message": "x"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(throttled)) as agent_of.http:
        error = await error_of(agent_of.client(PLUGIN).token(ENTERPRISE))
    assert error.code is IdentityCode.IDAAS_UNREACHABLE


@pytest.mark.parametrize(
    ("authn", "root", "member"),
    [
        ({"pluginName": None}, {}, "authnConfiguration.pluginName"),
        ({"pluginName": "anotherPlugin"}, {}, "authnConfiguration.pluginName"),
        ({}, {"openApiEndpoint": None}, "openApiEndpoint"),
        ({}, {"openApiEndpoint": "h.example/path"}, "openApiEndpoint"),
    ],
)
async def test_wrong_member_is_named(agent_of: Any, authn: Any, root: Any, member: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        agent_of.settings(PLUGIN, authn=authn, root=root)
    (fault,) = caught.value.faults
    assert f'member "{member}"' in fault
