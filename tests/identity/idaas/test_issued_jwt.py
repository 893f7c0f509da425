"""JWTs of IDaaS's providers, from the sandbox and from responses that must not be used."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import IssuedJwtRequirement
from identity.error_codes import IdentityCode
from identity.errors import CredentialError, RequirementRefusedError
from identity.idaas.client import IDaaSClient, IDaaSIssuer
from identity.idaas.configuration import read_sdk_configuration
from identity.idaas.credential_store import store_operation
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.identity.credentials.controlled_issuer import settled
from tests.identity.idaas.sandbox_client import refusal
from tests.running_agent import StartAgent

MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
REPORTS = "https://reports.sandbox.example"
REQUIREMENT = IssuedJwtRequirement("service_jwt", REPORTS, (("tier", "gold"),))


@pytest.fixture
async def broker(sandbox: Any) -> AsyncIterator[CredentialBroker]:
    environment = sandbox.environment
    path = Path(environment["CLOUD_IDAAS_CONFIG_PATH"])
    configuration = read_sdk_configuration(path, environment, clock=sandbox.clock)
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        issuer = IDaaSIssuer(IDaaSClient(configuration, http, clock=sandbox.clock))
        broker = CredentialBroker(issuer, clock=sandbox.clock)
        yield broker
        await broker.aclose()


@pytest.fixture
async def alice(sandbox: Any, start_agent: StartAgent) -> Any:
    agent = await start_agent()
    return await agent.composed.verifier.verify(Secret(sandbox.access_token("alice")))


@pytest.mark.parametrize(("access_identity", "subject"), [(MACHINE, "app_agent01"), (HUMAN, "user_alice01")])
async def test_jwt_names_the_caller_and_is_requested_once(
    sandbox: Any, broker: CredentialBroker, alice: Any, access_identity: AccessIdentity, subject: str
) -> None:
    first = await broker.obtain(REQUIREMENT, access_identity, alice)
    again = await broker.obtain(REQUIREMENT, access_identity, alice)
    claims = sandbox.cloud.jwt_providers.claims(first.secret.reveal(), "service_jwt", REPORTS)
    assert (claims["sub"], claims["tier"]) == (subject, "gold")
    assert again.secret is first.secret
    assert claims["exp"] - 90 <= first.expires_at <= claims["exp"]
    assert sandbox.cloud.counters.snapshot()["developer_api:GenerateJwtAuthenticationToken"] == 1


async def test_jwt_is_never_used_expired(sandbox: Any, broker: CredentialBroker) -> None:
    for _ in range(40):
        sandbox.clock.advance(60)
        credential = await broker.obtain(REQUIREMENT, MACHINE, None)
        sandbox.cloud.jwt_providers.claims(credential.secret.reveal(), "service_jwt", REPORTS)


async def test_withdrawn_provider_ends_the_use_of_its_jwt_at_the_next_request(
    sandbox: Any, broker: CredentialBroker, alice: Any
) -> None:
    first = await broker.obtain(REQUIREMENT, HUMAN, alice)
    sandbox.cloud.jwt_providers.find("service_jwt").readers.discard("user_alice01")
    sandbox.clock.advance(10)
    broker.invalidate(first, alice)
    error = await refusal(broker.obtain(REQUIREMENT, HUMAN, alice), CredentialError)
    assert error.code is IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE
    assert await broker.obtain(REQUIREMENT, MACHINE, None)


async def test_unknown_provider_is_refused(broker: CredentialBroker) -> None:
    error = await refusal(
        broker.obtain(IssuedJwtRequirement("wrong", REPORTS), MACHINE, None), RequirementRefusedError
    )
    assert (error.code, '"wrong"' in error.detail) == (IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE, True)


def signed(**claims: Any) -> str:
    return jwt.encode({"sub": "alice", "aud": REPORTS, "exp": 2000} | claims, "k" * 32, algorithm="HS256")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({}, "no usable JWT"),
        ({"jwtContent": {"jwtValue": "a b"}}, "no usable JWT"),
        ({"jwtContent": {"jwtValue": "a.b.c"}}, "no usable JWT"),
        ({"jwtContent": {"jwtValue": signed(aud="https://other.example")}}, '"aud"'),
        ({"jwtContent": {"jwtValue": signed(sub="bob")}}, '"sub"'),
        ({"jwtContent": {"jwtValue": signed(exp=900)}}, "future"),
        ({"jwtContent": {"jwtValue": signed()}, "expirationTime": 900_000}, "future"),
        ({"jwtContent": {"jwtValue": signed()}, "expirationTime": "canary"}, "future"),
    ],
)
def test_response_that_is_not_the_required_jwt_is_refused(response: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        store_operation(REQUIREMENT, "alice").read(response, 1000.0)


def test_jwt_ends_with_the_earlier_of_both_times() -> None:
    response = {"jwtContent": {"jwtValue": signed(aud=[REPORTS])}, "expirationTime": 1_900_000}
    assert store_operation(REQUIREMENT, "alice").read(response, 1000.0).expires_at == 1900.0
    assert (
        store_operation(REQUIREMENT, "alice").read(response | {"expirationTime": None}, 1.0).expires_at
        == 2000.0
    )


async def test_jwt_is_removed_when_idaas_refuses_the_next_one(
    sandbox: Any, broker: CredentialBroker, alice: Any
) -> None:
    await broker.obtain(REQUIREMENT, HUMAN, alice)
    sandbox.cloud.jwt_providers.find("service_jwt").enabled = False
    sandbox.clock.advance(840)  # it is still valid, and its renewal is due
    assert broker.cached(REQUIREMENT, HUMAN, alice) is not None
    await settled(broker)
    assert broker.cached(REQUIREMENT, HUMAN, alice) is None
    error = await refusal(broker.obtain(REQUIREMENT, HUMAN, alice), CredentialError)
    assert error.code is IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE
