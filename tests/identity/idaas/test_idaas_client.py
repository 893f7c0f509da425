"""The IDaaS client: issued credentials, refusals and secrecy against the sandbox, and invalid responses."""

import asyncio
import json
import math
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    CredentialRequirement,
    IssuedJwtRequirement,
    OAuthTokenRequirement,
)
from identity.error_codes import IdentityCode
from identity.errors import (
    AgentError,
    CredentialError,
    PrerequisiteRefusedError,
    RequirementRefusedError,
    UnreachableError,
)
from identity.idaas.client import PAM_TOKEN, IDaaSClient
from identity.idaas.client_authentication.own_credential import ClientSecretBasic, ClientSecretPost
from identity.idaas.configuration import SdkConfiguration
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from identity.secrets.secret_file import FixedSecret
from identity.transport.retry import RetryPolicy
from sandbox.faults.faults import Fault
from tests.identity.idaas.sandbox_client import ENTERPRISE, LEAVE, LLM_KEY, PAM, Waits, refusal
from tools.error_codes import ToolCode


async def test_several_permissions_of_one_audience_are_one_token_of_the_user(sandbox, client):
    scope = f"{LEAVE} {LEAVE.replace('read', 'write')}"
    issued = await client.token(scope, Secret(sandbox.access_token("alice")))
    token = sandbox.cloud.access_tokens.verify(issued.secret.reveal())
    assert (token.subject, token.permissions) == ("user_alice01", ("leave.read", "leave.write"))


async def test_wrong_client_secret_has_its_own_code(sandbox, configuration, retries):
    for kind in (ClientSecretPost, ClientSecretBasic):
        wrong = replace(
            configuration, client_authentication=kind("app_agent01", FixedSecret(Secret("wrong-canary")))
        )
        async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
            client = IDaaSClient(wrong, http, retries=retries)
            for call in (client.token(PAM), client.token(PAM, Secret("token"))):
                error = await refusal(call)
                assert error.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED
                assert "canary" not in f"{error} {error.detail}"


async def test_scope_not_granted_to_the_agent_is_refused(client: IDaaSClient) -> None:
    for scope in (LEAVE, "https://unknown.example|read"):
        error = await refusal(client.token(scope))
        assert error.code is IdentityCode.MACHINE_TOKEN_FAILED
        assert scope in error.detail


async def test_refused_exchange_has_the_code_of_its_reason(sandbox, client):
    bob = sandbox.access_token("bob")
    for token, scope, code in (
        (bob, LEAVE, IdentityCode.TOKEN_EXCHANGE_FAILED),  # which is not granted to them
        ("", ENTERPRISE, IdentityCode.TOKEN_EXCHANGE_FAILED),
        ("not-a-token", ENTERPRISE, IdentityCode.USER_TOKEN_REFUSED),
        ("a.b.c", ENTERPRISE, IdentityCode.USER_TOKEN_REFUSED),
    ):
        error = await refusal(client.token(scope, Secret(token)))
        assert error.code is code
        assert bob not in f"{error} {error.detail}"


async def test_agent_without_the_grant_type_has_its_own_code(sandbox: Any, client: IDaaSClient) -> None:
    applications = sandbox.cloud.directory.applications
    agent = applications["app_agent01"]
    applications["app_agent01"] = replace(agent, grant_types=agent.grant_types - {"token_exchange"})
    error = await refusal(client.token(ENTERPRISE, Secret(sandbox.access_token("alice"))))
    assert error.code is IdentityCode.AGENT_EXCHANGE_REFUSED


async def test_refused_key_has_the_code_of_its_requirement(sandbox: Any, client: IDaaSClient) -> None:
    token = (await client.token(PAM)).secret
    for code in (GraphCode.LLM_API_KEY_UNAVAILABLE, ToolCode.EXTERNAL_API_KEY_UNAVAILABLE):
        error = await refusal(
            client.obtain(token, ApiKeyRequirement("unknown", code)), RequirementRefusedError
        )
        assert error.code is code
        assert not isinstance(error, PrerequisiteRefusedError)
    sandbox.cloud.vault.disable("llm_api_key")
    assert (await refusal(client.obtain(token, LLM_KEY))).code is LLM_KEY.error_code


async def test_refused_pam_token_raises_prerequisite_refused(sandbox: Any, client: IDaaSClient) -> None:
    token = (await client.token(PAM)).secret
    sandbox.clock.advance(3600)
    await refusal(client.obtain(token, LLM_KEY), PrerequisiteRefusedError)
    enterprise = (await client.token(ENTERPRISE)).secret
    await refusal(client.obtain(enterprise, LLM_KEY), PrerequisiteRefusedError)


async def test_untrusted_certificate_is_a_failed_connection(configuration, waits):
    async with httpx.AsyncClient(trust_env=False) as http:
        client = IDaaSClient(configuration, http, retries=RetryPolicy(sleep=waits))
        error = await refusal(client.token(PAM), UnreachableError)
    assert "certificate" in error.detail


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(status=500), Fault(broken_body=True), None])
async def test_frames_of_an_error_contain_no_secret(sandbox, client, fault):
    secret, user_token = sandbox.environment["IDAAS_CLIENT_SECRET"], sandbox.access_token("bob")
    if fault:
        sandbox.cloud.faults.set("idaas.token", fault)
    error = await refusal(client.token(LEAVE, Secret(user_token)), AgentError)
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


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, times=2),
        Fault(status=500, times=2),
        Fault(status=503, retry_after=3, times=2),
        Fault(drop=True, times=2),
    ],
)
async def test_temporary_failures_are_retried(sandbox, client, waits, fault):
    sandbox.cloud.faults.set("idaas.token", fault)
    assert await client.token(PAM)
    assert waits.seconds == ([3, 3] if fault.retry_after else [0.2, 0.4])


async def test_attempts_are_bounded(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(status=500))
    error = await refusal(client.token(PAM), UnreachableError)
    assert error.code is IdentityCode.IDAAS_UNREACHABLE
    assert "server_error" in error.detail
    assert len(waits.seconds) == 2
    assert sandbox.cloud.counters.snapshot()["idaas.token:fault"] == 3


async def test_long_retry_after_ends_the_attempts(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    sandbox.cloud.faults.set("developer_api", Fault(status=429, retry_after=10))
    error = await refusal(client.obtain(Secret("token"), LLM_KEY), UnreachableError)
    assert error.code is IdentityCode.IDAAS_UNREACHABLE
    assert waits.seconds == []


async def test_delay_beyond_the_deadline_ends_the_attempts(sandbox, configuration, waits):
    sandbox.cloud.faults.set("idaas.token", Fault(status=503, retry_after=4))
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        client = IDaaSClient(configuration, http, retries=RetryPolicy(deadline=3.0, sleep=waits))
        await refusal(client.token(PAM), UnreachableError)
    assert waits.seconds == []


async def test_refusals_are_not_retried(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    await refusal(client.token(LEAVE))
    assert waits.seconds == []
    assert sandbox.cloud.counters.snapshot()["idaas:token.client_credentials"] == 1


async def test_hanging_request_ends_at_the_deadline(sandbox, configuration, waits):
    sandbox.cloud.faults.set("idaas.token", Fault(hang=True))
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        client = IDaaSClient(configuration, http, retries=RetryPolicy(deadline=0.2, sleep=waits))
        async with asyncio.timeout(60):
            error = await refusal(client.token(PAM), UnreachableError)
    assert "deadline" in error.detail


async def test_configured_timeouts_apply(sandbox: Any, configuration: SdkConfiguration) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(hang=True))
    hasty = replace(configuration, read_timeout=0.1)
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False, timeout=60) as http:
        client = IDaaSClient(hasty, http, retries=RetryPolicy(attempts=1))
        async with asyncio.timeout(60):
            error = await refusal(client.token(PAM), UnreachableError)
    assert "read timeout" in error.detail


MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
TOKEN = AccessTokenRequirement("https://enterprise.example|service.invoke")
KEY = ApiKeyRequirement("llm_api_key")
ROLE = CloudRoleRequirement("acs:ram::1:role/reader", 900)
JWT = IssuedJwtRequirement("service_jwt", "https://reports.example")


class Requests(IDaaSClient):
    """Answers each request with a secret that names it."""

    def __init__(self) -> None:
        pass

    async def token(self, scope: str, subject_token: Secret | None = None) -> IssuedCredential:
        whose = "machine" if subject_token is None else subject_token.reveal()
        return IssuedCredential(Secret(f"{whose} {scope}"), 1200.0)

    async def obtain(
        self, pam_token: Secret, requirement: CredentialRequirement, subject: str | None = None
    ) -> IssuedCredential:
        named = requirement.declared["credential"]
        return IssuedCredential(Secret(f"{pam_token.reveal()} {named} for {subject}"), 900.0)


def test_credentials_of_the_store_require_a_token_for_it() -> None:
    issuer = Requests()
    assert issuer.prerequisite(KEY) is PAM_TOKEN
    assert issuer.prerequisite(JWT) is PAM_TOKEN
    assert issuer.prerequisite(ROLE) is PAM_TOKEN
    assert issuer.prerequisite(TOKEN) is None
    assert issuer.prerequisite(PAM_TOKEN) is None


async def test_access_identity_decides_between_client_credentials_and_exchange(caller):
    issuer, alice = Requests(), caller("alice")
    own = await issuer.issue(TOKEN, MACHINE, None, None)
    users = await issuer.issue(TOKEN, HUMAN, alice, None)
    assert own == IssuedCredential(Secret(f"machine {TOKEN.scope}"), 1200.0)
    assert users == IssuedCredential(Secret(f"access-token-of-alice {TOKEN.scope}"), 1200.0)


@pytest.mark.parametrize("requirement", [KEY, JWT, ROLE, OAuthTokenRequirement("calendar")], ids=str)
async def test_credential_of_the_store_is_obtained_with_the_prerequisite_for_the_user_or_for_the_agent(
    requirement: CredentialRequirement, caller: Callable[..., VerifiedAccessToken]
) -> None:
    issuer, alice, pam = Requests(), caller("alice"), Secret("pam")
    own = await issuer.issue(requirement, MACHINE, None, pam)
    users = await issuer.issue(requirement, HUMAN, alice, pam)
    named = requirement.declared["credential"]
    assert own == IssuedCredential(Secret(f"pam {named} for None"), 900.0)
    assert users == IssuedCredential(Secret(f"pam {named} for {alice.principal.subject}"), 900.0)


async def test_missing_caller_or_prerequisite_is_an_error() -> None:
    issuer = Requests()
    with pytest.raises(TypeError, match="caller"):
        await issuer.issue(TOKEN, HUMAN, None, None)
    with pytest.raises(TypeError, match="credential store"):
        await issuer.issue(KEY, MACHINE, None, None)


CANARY = "upstream-canary-text"
GOOD = {"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 1200}
API_KEY_CONTENT = {"credentialContent": {"apiKeyContent": {"apiKey": "sk-x"}}}


@pytest.fixture
def client_of(clock: Any, retries: RetryPolicy) -> Callable[..., IDaaSClient]:
    """Creates a client whose IDaaS sends this response."""

    def make(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> IDaaSClient:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def respond(request: Request) -> Response:
            return Response(content, status_code=status, headers=headers)

        application = Starlette(routes=[Route("/{path:path}", respond, methods=["GET", "POST"])])
        origin = "https://idaas.example"
        authentication = ClientSecretPost("app", FixedSecret(Secret("secret")))
        configuration = SdkConfiguration(
            "idaas", "app", f"{origin}/iss", f"{origin}/token", origin, authentication, 5.0, 10.0
        )
        http = httpx.AsyncClient(transport=httpx.ASGITransport(application))
        return IDaaSClient(configuration, http, clock=clock, retries=retries)

    return make


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>" + CANARY.encode(),
        [],
        {},
        {**GOOD, "access_token": None},
        {**GOOD, "access_token": f"two words {CANARY}"},
        {**GOOD, "access_token": "a\r\nb"},
        {**GOOD, "access_token": "x" * 20_000},
        {**GOOD, "token_type": "mac"},
        {**GOOD, "token_type": None},
        {**GOOD, "expires_in": None},
        {**GOOD, "expires_in": "1200"},
        {**GOOD, "expires_in": True},
        {**GOOD, "expires_in": 0},
        {**GOOD, "expires_in": -5},
        {**GOOD, "expires_at": 1},
        {**GOOD, "issued_token_type": "urn:ietf:params:oauth:token-type:id_token"},
        b'{"access_token":"a","access_token":"b","token_type":"Bearer","expires_in":9}',
        b" " * 70_000,
    ],
)
async def test_invalid_token_response_is_unusable(client_of: Any, body: Any) -> None:
    client = client_of(body)
    error = await refusal(client.token(PAM), UnreachableError)
    assert error.code is IdentityCode.IDAAS_UNREACHABLE
    assert CANARY not in f"{error} {error.detail}"


@pytest.mark.parametrize(
    ("members", "lifetime"),
    [
        ({"expires_in": 600}, 600),
        ({"expires_in": 600, "expires_at": 1795526961 + 300}, 300),
        ({"expires_in": 600, "expires_at": 1795526961 + 900}, 600),
        ({"expires_in": None, "expires_at": 1795526961 + 900}, 900),
        ({"expires_in": 600.5, "token_type": "bearer", "scope": "anything"}, 600.5),
    ],
)
async def test_earlier_of_two_expiry_times_is_used(client_of, clock, members, lifetime):
    client = client_of({**GOOD, **members})
    assert (await client.token(PAM)).expires_at == clock.now + lifetime


@pytest.mark.promise("never-expired")
async def test_jwt_ends_with_its_own_exp_if_that_is_earlier(client_of: Any, clock: Any) -> None:
    def client(exp: Any) -> IDaaSClient:
        token = jwt.api_jws.encode(json.dumps({"sub": "app", "exp": exp}).encode(), "k" * 32)
        return client_of({**GOOD, "access_token": token, "expires_in": 600})

    now = clock.now
    for exp, end in ((now + 60, now + 60), (now + 900, now + 600), ("1", now + 600), (math.nan, now + 600)):
        assert (await client(exp).token(PAM)).expires_at == end
    for exp in (now, -(10**400)):
        await refusal(client(exp).token(PAM), UnreachableError)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", CredentialError),
        (400, {"error": "invalid_client"}, CredentialError),
        (400, {"error": "invalid_scope", "error_description": CANARY, "request_id": "r-1"}, CredentialError),
        (403, {"Code": "Forbidden.NoPermission", "Message": CANARY, "RequestId": "r-1"}, CredentialError),
        (400, {"error": CANARY}, UnreachableError),
        (400, {"error": ["invalid_scope"]}, UnreachableError),
        (404, b"<html>" + CANARY.encode(), UnreachableError),
        (302, b"", UnreachableError),
        (204, b"", UnreachableError),
        (418, b"{}", UnreachableError),
        (505, b"", UnreachableError),
    ],
)
async def test_error_response_is_a_refusal_only_with_an_error_code(client_of, status, body, kind):
    client = client_of(body, status, {"location": "https://evil.example/"} if status == 302 else None)
    error = await refusal(client.token(PAM), AgentError)
    assert isinstance(error, kind)
    assert CANARY not in f"{error} {error.detail}"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"credentialContent": None},
        {"credentialContent": {"apiKeyContent": None}},
        {"credentialContent": {"apiKeyContent": {"apiKey": ""}}},
        {"credentialContent": {"apiKeyContent": {"apiKey": f"{CANARY}\r\nX: y"}}},
        {"credentialContent": {"apiKeyContent": {"apiKey": 7}}},
        {"credentialContent": {"oauthClientContent": {"clientId": "a", "clientSecret": CANARY}}},
        {**API_KEY_CONTENT, "credentialIdentifier": "another"},
        {**API_KEY_CONTENT, "credentialType": "oauth_client"},
        {**API_KEY_CONTENT, "status": "disabled"},
    ],
)
async def test_invalid_key_response_is_a_refusal(client_of: Any, body: Any) -> None:
    client = client_of(body)
    error = await refusal(client.obtain(Secret("token"), LLM_KEY))
    assert error.code is GraphCode.LLM_API_KEY_UNAVAILABLE
    assert CANARY not in f"{error} {error.detail}"


@pytest.mark.parametrize("body", [b"", b"{", [], b"<html>"])
async def test_malformed_response_is_not_a_refusal_of_the_key(client_of: Any, body: Any) -> None:
    client = client_of(body)
    error = await refusal(client.obtain(Secret("token"), LLM_KEY), UnreachableError)
    assert error.code is IdentityCode.IDAAS_UNREACHABLE
