"""The IDaaS client against the sandbox, and against servers that answer what IDaaS never should."""

import asyncio
import json
import traceback
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from identity.client_authentication import ClientSecretBasic, ClientSecretPost
from identity.credential import ApiKey
from identity.error_table import ErrorCode
from identity.errors import AgentError, CredentialError, UnreachableError
from identity.idaas_client import ApiKeyRefusedError, IDaaSClient, PamTokenRefusedError
from identity.retry import RetryPolicy
from identity.sdk_configuration import SdkConfiguration, read_sdk_configuration
from identity.secret import Secret
from sandbox.faults import Fault

PAM = "urn:cloud:idaas:pam|.all"
ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
LEAVE = "https://leave.sandbox.example|leave.read"
LLM_KEY = ApiKey("llm_api_key", ErrorCode.LLM_API_KEY_UNAVAILABLE)


@dataclass
class Waits:
    """A sleep that is over at once, and remembers for how long it was."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def retries(waits: Waits) -> RetryPolicy:
    return RetryPolicy(sleep=waits, random=lambda: 1.0)


@pytest.fixture
def configuration(sandbox: Any) -> SdkConfiguration:
    path = Path(sandbox.environment["CLOUD_IDAAS_CONFIG_PATH"])
    return read_sdk_configuration(path, sandbox.environment, clock=sandbox.clock)


@pytest.fixture
async def client(
    sandbox: Any, configuration: SdkConfiguration, retries: RetryPolicy
) -> AsyncIterator[IDaaSClient]:
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        yield IDaaSClient(configuration, http, clock=sandbox.clock, retries=retries)


async def refusal(call: Any, kind: type[AgentError] = CredentialError) -> AgentError:
    with pytest.raises(kind) as caught:
        await call
    return caught.value


async def test_a_machine_token_is_the_agents_own(sandbox: Any, client: IDaaSClient) -> None:
    issued = await client.machine_token(ENTERPRISE)
    assert sandbox.cloud.access_tokens.verify(issued.token.reveal()).subject == "app_agent01"
    assert issued.expires_at == sandbox.clock.now + 1200


async def test_an_exchanged_token_is_the_users(sandbox: Any, client: IDaaSClient) -> None:
    issued = await client.exchange(Secret(sandbox.access_token("alice")), ENTERPRISE)
    token = sandbox.cloud.access_tokens.verify(issued.token.reveal())
    assert (token.subject, token.audience) == ("user_alice01", "https://enterprise.sandbox.example")


async def test_an_api_key_is_read_under_either_identity(sandbox: Any, client: IDaaSClient) -> None:
    own = await client.machine_token(PAM)
    users = await client.exchange(Secret(sandbox.access_token("bob")), PAM)
    for token in (own.token, users.token):
        assert (await client.obtain_api_key(token, LLM_KEY)).reveal() == sandbox.cloud.secrets.llm_api_key


async def test_a_wrong_client_secret_has_a_row_of_its_own(
    sandbox: Any, configuration: SdkConfiguration, retries: RetryPolicy
) -> None:
    for kind in (ClientSecretPost, ClientSecretBasic):
        wrong = replace(configuration, client_authentication=kind("app_agent01", Secret("wrong-canary")))
        async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
            client = IDaaSClient(wrong, http, retries=retries)
            for call in (client.machine_token(PAM), client.exchange(Secret("token"), PAM)):
                error = await refusal(call)
                assert error.code is ErrorCode.CLIENT_AUTHENTICATION_FAILED
                assert "canary" not in str(error)


async def test_a_scope_that_the_agent_may_not_have_is_refused(client: IDaaSClient) -> None:
    for scope in (LEAVE, "https://unknown.example|read"):
        error = await refusal(client.machine_token(scope))
        assert error.code is ErrorCode.MACHINE_TOKEN_FAILED
        assert scope in error.detail


async def test_an_exchange_that_the_user_may_not_have_is_refused(sandbox: Any, client: IDaaSClient) -> None:
    token = sandbox.access_token("bob")
    error = await refusal(client.exchange(Secret(token), LEAVE))
    assert error.code is ErrorCode.TOKEN_EXCHANGE_FAILED
    assert token not in str(error)


@pytest.mark.parametrize("token", ["", "not-a-token", "a.b.c"])
async def test_a_token_that_is_none_is_refused(client: IDaaSClient, token: str) -> None:
    error = await refusal(client.exchange(Secret(token), ENTERPRISE))
    assert error.code is ErrorCode.TOKEN_EXCHANGE_FAILED


async def test_an_expired_user_token_is_refused(sandbox: Any, client: IDaaSClient) -> None:
    token = sandbox.access_token("alice", lifetime=60)
    sandbox.clock.advance(120)
    error = await refusal(client.exchange(Secret(token), ENTERPRISE))
    assert error.code is ErrorCode.TOKEN_EXCHANGE_FAILED


async def test_a_refused_key_has_the_needs_own_code(sandbox: Any, client: IDaaSClient) -> None:
    token = (await client.machine_token(PAM)).token
    for code in (ErrorCode.LLM_API_KEY_UNAVAILABLE, ErrorCode.EXTERNAL_API_KEY_UNAVAILABLE):
        error = await refusal(client.obtain_api_key(token, ApiKey("unknown", code)), ApiKeyRefusedError)
        assert error.code is code
        assert not isinstance(error, PamTokenRefusedError)
    sandbox.cloud.vault.disable("llm_api_key")
    assert (await refusal(client.obtain_api_key(token, LLM_KEY))).code is LLM_KEY.error_code


async def test_a_refused_pam_token_is_told_apart(sandbox: Any, client: IDaaSClient) -> None:
    token = (await client.machine_token(PAM)).token
    sandbox.clock.advance(3600)
    await refusal(client.obtain_api_key(token, LLM_KEY), PamTokenRefusedError)
    enterprise = (await client.machine_token(ENTERPRISE)).token
    await refusal(client.obtain_api_key(enterprise, LLM_KEY), PamTokenRefusedError)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=429, times=2),
        Fault(status=500, times=2),
        Fault(status=503, retry_after=3, times=2),
        Fault(drop=True, times=2),
    ],
)
async def test_temporary_failures_are_asked_again(
    sandbox: Any, client: IDaaSClient, waits: Waits, fault: Fault
) -> None:
    sandbox.cloud.faults.set("idaas.token", fault)
    assert await client.machine_token(PAM)
    assert waits.seconds == ([3, 3] if fault.retry_after else [0.2, 0.4])


async def test_attempts_are_few(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(status=500))
    error = await refusal(client.machine_token(PAM), UnreachableError)
    assert error.code is ErrorCode.IDAAS_UNREACHABLE
    assert "server_error" in error.detail
    assert len(waits.seconds) == 2
    assert sandbox.cloud.counters.snapshot()["idaas.token:fault"] == 3


async def test_a_long_retry_after_ends_the_attempts(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    sandbox.cloud.faults.set("developer_api", Fault(status=429, retry_after=10))
    error = await refusal(client.obtain_api_key(Secret("token"), LLM_KEY), UnreachableError)
    assert error.code is ErrorCode.IDAAS_UNREACHABLE
    assert waits.seconds == []


async def test_a_retry_after_that_is_a_date_is_understood(
    sandbox: Any, client: IDaaSClient, waits: Waits
) -> None:
    for past, waited in (
        ("Wed, 21 Oct 2015 07:28:00 GMT", [0.2, 0.4]),
        ("Wed, 21 Oct 2099 07:28:00 GMT", []),
    ):
        waits.seconds.clear()
        sandbox.cloud.faults.set("idaas.token", Fault(status=503, retry_after=past))
        await refusal(client.machine_token(PAM), UnreachableError)
        assert waits.seconds == waited


async def test_a_wait_beyond_the_deadline_is_not_begun(
    sandbox: Any, configuration: SdkConfiguration, waits: Waits
) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(status=503, retry_after=4))
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        client = IDaaSClient(configuration, http, retries=RetryPolicy(deadline=3.0, sleep=waits))
        await refusal(client.machine_token(PAM), UnreachableError)
    assert waits.seconds == []


async def test_refusals_are_not_asked_again(sandbox: Any, client: IDaaSClient, waits: Waits) -> None:
    await refusal(client.machine_token(LEAVE))
    assert waits.seconds == []
    assert sandbox.cloud.counters.snapshot()["idaas:token.client_credentials"] == 1


async def test_a_hanging_endpoint_ends_at_the_deadline(
    sandbox: Any, configuration: SdkConfiguration, waits: Waits
) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(hang=True))
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        client = IDaaSClient(configuration, http, retries=RetryPolicy(deadline=0.2, sleep=waits))
        async with asyncio.timeout(5):
            error = await refusal(client.machine_token(PAM), UnreachableError)
    assert "deadline" in error.detail


async def test_the_configured_timeouts_are_in_force(sandbox: Any, configuration: SdkConfiguration) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(hang=True))
    hasty = replace(configuration, read_timeout=0.1)
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False, timeout=60) as http:
        client = IDaaSClient(hasty, http, retries=RetryPolicy(attempts=1))
        async with asyncio.timeout(5):
            error = await refusal(client.machine_token(PAM), UnreachableError)
    assert "read timeout" in error.detail


async def test_a_broken_body_is_unusable(sandbox: Any, client: IDaaSClient) -> None:
    sandbox.cloud.faults.set("idaas.token", Fault(broken_body=True))
    assert (await refusal(client.machine_token(PAM), UnreachableError)).code is ErrorCode.IDAAS_UNREACHABLE


async def test_an_untrusted_certificate_is_no_connection(
    configuration: SdkConfiguration, waits: Waits
) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        client = IDaaSClient(configuration, http, retries=RetryPolicy(sleep=waits))
        error = await refusal(client.machine_token(PAM), UnreachableError)
    assert "certificate" in error.detail


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(status=500), Fault(broken_body=True), None])
async def test_no_frame_of_an_error_holds_a_secret(
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


CANARY = "upstream-canary-text"
GOOD = {"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 1200}
KEY = {"credentialContent": {"apiKeyContent": {"apiKey": "sk-x"}}}


@pytest.fixture
def answering(clock: Any, retries: RetryPolicy) -> Callable[..., IDaaSClient]:
    """Makes a client whose IDaaS answers just this."""

    def make(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> IDaaSClient:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()

        async def answer(request: Request) -> Response:
            return Response(content, status_code=status, headers=headers)

        application = Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])
        origin = "https://idaas.example"
        authentication = ClientSecretPost("app", Secret("secret"))
        configuration = SdkConfiguration(
            "idaas", "app", f"{origin}/iss", f"{origin}/token", origin, PAM, authentication, 5.0, 10.0
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
async def test_an_answer_that_is_no_token_is_unusable(answering: Any, body: Any) -> None:
    client = answering(body)
    error = await refusal(client.machine_token(PAM), UnreachableError)
    assert error.code is ErrorCode.IDAAS_UNREACHABLE
    assert CANARY not in str(error)


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
async def test_the_end_of_a_token_is_the_earlier_of_two(
    answering: Any, clock: Any, members: dict[str, Any], lifetime: float
) -> None:
    client = answering({**GOOD, **members})
    assert (await client.machine_token(PAM)).expires_at == clock.now + lifetime


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
async def test_an_error_is_a_refusal_only_if_it_says_so(
    answering: Any, status: int, body: Any, kind: type[AgentError]
) -> None:
    client = answering(body, status, {"location": "https://evil.example/"} if status == 302 else None)
    error = await refusal(client.machine_token(PAM), AgentError)
    assert isinstance(error, kind)
    assert CANARY not in str(error)


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
        {**KEY, "credentialIdentifier": "another"},
        {**KEY, "credentialType": "oauth_client"},
        {**KEY, "status": "disabled"},
    ],
)
async def test_an_answer_that_is_no_key_is_refused(answering: Any, body: Any) -> None:
    client = answering(body)
    error = await refusal(client.obtain_api_key(Secret("token"), LLM_KEY))
    assert error.code is ErrorCode.LLM_API_KEY_UNAVAILABLE
    assert CANARY not in str(error)


@pytest.mark.parametrize("body", [b"", b"{", [], b"<html>"])
async def test_a_broken_answer_is_no_refusal_of_the_key(answering: Any, body: Any) -> None:
    client = answering(body)
    error = await refusal(client.obtain_api_key(Secret("token"), LLM_KEY), UnreachableError)
    assert error.code is ErrorCode.IDAAS_UNREACHABLE
