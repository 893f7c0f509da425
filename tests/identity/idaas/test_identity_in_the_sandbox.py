"""The identity package against the sandbox: access token → verifier → broker → IDaaS."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.access_token.verifier import AccessTokenVerifier
from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, CredentialError, InsufficientScopeError, UnreachableError
from identity.idaas.client import IDaaSClient
from identity.idaas.configuration import read_sdk_configuration
from identity.principal import AccessIdentity
from identity.signing_keys.jwks import Jwks
from identity.transport.retry import RetryPolicy
from sandbox.faults.faults import Fault
from tools.error_codes import ToolCode

MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
LLM = ApiKeyRequirement("llm_api_key", GraphCode.LLM_API_KEY_UNAVAILABLE)
AMAP = ApiKeyRequirement("amap_api_key", ToolCode.EXTERNAL_API_KEY_UNAVAILABLE)
ENTERPRISE = AccessTokenRequirement("https://enterprise.sandbox.example|service.invoke")
LEAVE = AccessTokenRequirement("https://leave.sandbox.example|leave.read")


async def at_once(_seconds: float) -> None:
    """A sleep that returns at once."""


@dataclass
class Identity:
    """The identity layer as the agent composes it."""

    sandbox: Any
    verifier: AccessTokenVerifier
    jwks: Jwks
    broker: CredentialBroker

    async def caller(self, name: str = "alice", **claims: Any) -> VerifiedAccessToken:
        return await self.verifier.verify(self.sandbox.access_token(name, **claims))

    async def settled(self) -> None:
        while flights := [*self.broker._flights._flights.values(), *self.jwks._flight._flights.values()]:
            await asyncio.wait(flights)

    def counts(self) -> dict[str, int]:
        counts: dict[str, int] = self.sandbox.cloud.counters.snapshot()
        return counts


@pytest.fixture
async def identity(sandbox: Any) -> AsyncIterator[Identity]:
    environment = sandbox.environment
    configuration = read_sdk_configuration(
        Path(environment["CLOUD_IDAAS_CONFIG_PATH"]), environment, clock=sandbox.clock
    )
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        jwks = Jwks(environment["JWKS_ENDPOINT"], http, clock=sandbox.clock)
        verifier = AccessTokenVerifier(
            issuer=configuration.issuer,
            audience=environment["AGENT_AUDIENCE"],
            scope=environment["AGENT_SCOPE"],
            keys=jwks,
            clock=sandbox.clock,
        )
        client = IDaaSClient(configuration, http, clock=sandbox.clock, retries=RetryPolicy(sleep=at_once))
        broker = CredentialBroker(client, clock=sandbox.clock)
        yield Identity(sandbox, verifier, jwks, broker)
        await broker.aclose()
        await jwks.aclose()


async def test_token_of_a_signed_in_user_is_verified(identity: Identity) -> None:
    alice = await identity.caller("alice")
    assert (alice.principal.issuer, alice.principal.subject) == (identity.sandbox.issuer, "user_alice01")


async def test_several_permissions_of_one_audience_are_one_token_of_the_user(identity: Identity) -> None:
    audience = "https://leave.sandbox.example"
    both = AccessTokenRequirement(f"{audience}|leave.read {audience}|leave.write")
    issued = await identity.broker.obtain(both, HUMAN, await identity.caller("alice"))
    claims = jwt.decode(issued.secret.reveal(), options={"verify_signature": False})
    assert (claims["sub"], claims["scope"].split()) == ("user_alice01", ["leave.read", "leave.write"])


async def test_audience_in_an_array_is_accepted(identity: Identity) -> None:
    identity.sandbox.cloud.settings.audience_as_array = True
    assert await identity.caller("alice")


async def test_tokens_for_other_audiences_and_without_the_permission_are_refused(identity: Identity) -> None:
    with pytest.raises(AccessTokenError):
        await identity.caller(audience="https://enterprise.sandbox.example")
    with pytest.raises(InsufficientScopeError):
        await identity.caller(permissions=())
    with pytest.raises(AccessTokenError):
        await identity.verifier.verify(identity.sandbox.cloud.machine_token("urn:cloud:idaas:pam", (".all",)))


async def test_key_rotation_with_overlap_keeps_tokens_valid(identity: Identity) -> None:
    before = identity.sandbox.access_token()
    await identity.verifier.verify(before)
    identity.sandbox.cloud.keys.rotate(overlap=True)
    assert await identity.caller("bob")
    assert await identity.verifier.verify(before)
    assert identity.counts()["idaas:jwks"] == 2


async def test_key_rotation_without_overlap_invalidates_old_tokens(identity: Identity) -> None:
    before = identity.sandbox.access_token()
    await identity.verifier.verify(before)
    identity.sandbox.cloud.keys.rotate(overlap=False)
    assert await identity.caller("bob")
    with pytest.raises(AccessTokenError):
        await identity.verifier.verify(before)


@pytest.mark.parametrize("access_identity", [MACHINE, HUMAN])
async def test_hundred_first_callers_cause_one_request_for_each_credential(
    identity: Identity, access_identity: AccessIdentity
) -> None:
    token = identity.sandbox.access_token()
    callers = await asyncio.gather(*(identity.verifier.verify(token) for _ in range(100)))
    await asyncio.gather(
        *(
            identity.broker.obtain(requirement, access_identity, c)
            for c in callers
            for requirement in (LLM, AMAP, ENTERPRISE)
        )
    )
    grant = "client_credentials" if access_identity is MACHINE else "token_exchange"
    expected = {f"idaas:token.{grant}": 2, "developer_api:ObtainCredential": 2, "idaas:jwks": 1}
    assert identity.counts() == expected
    for caller in callers:
        for requirement in (LLM, AMAP, ENTERPRISE):
            await identity.broker.obtain(requirement, access_identity, caller)
    assert identity.counts() == expected


async def test_human_credential_names_the_user(identity: Identity) -> None:
    verify = identity.sandbox.cloud.access_tokens.verify
    for name, subject in (("alice", "user_alice01"), ("bob", "user_bob01")):
        credential = await identity.broker.obtain(ENTERPRISE, HUMAN, await identity.caller(name))
        assert verify(credential.secret.reveal()).subject == subject
    credential = await identity.broker.obtain(ENTERPRISE, MACHINE, await identity.caller("alice"))
    assert verify(credential.secret.reveal()).subject == "app_agent01"


async def test_user_gains_no_permission_through_the_agent(identity: Identity) -> None:
    assert await identity.broker.obtain(LEAVE, HUMAN, await identity.caller("alice"))
    for access_identity, code in (
        (HUMAN, IdentityCode.TOKEN_EXCHANGE_FAILED),
        (MACHINE, IdentityCode.MACHINE_TOKEN_FAILED),
    ):
        with pytest.raises(CredentialError) as caught:
            await identity.broker.obtain(LEAVE, access_identity, await identity.caller("bob"))
        assert caught.value.code is code


@pytest.mark.parametrize("access_identity", [MACHINE, HUMAN])
async def test_tokens_of_one_minute_are_never_used_expired(
    identity: Identity, access_identity: AccessIdentity
) -> None:
    sandbox = identity.sandbox
    sandbox.cloud.settings.access_token_lifetime = 60
    alice = await identity.caller("alice", lifetime=3600)
    for _ in range(100):
        sandbox.clock.advance(3)
        for requirement in (LLM, ENTERPRISE):
            credential = await identity.broker.obtain(requirement, access_identity, alice)
            if requirement is ENTERPRISE:
                sandbox.cloud.access_tokens.verify(credential.secret.reveal())  # raises if it has expired
        await identity.settled()
    assert not [name for name in identity.counts() if "expired" in name]
    grant = "client_credentials" if access_identity is MACHINE else "token_exchange"
    assert 5 <= identity.counts()[f"idaas:token.{grant}"] <= 22


async def test_idaas_outage_at_start_recovers_without_a_restart(identity: Identity) -> None:
    faults = identity.sandbox.cloud.faults
    for service in ("idaas.jwks", "idaas.token", "developer_api"):
        faults.set(service, Fault(status=503))
    with pytest.raises(UnreachableError) as caught:
        await identity.caller()
    assert caught.value.code is IdentityCode.JWKS_UNAVAILABLE
    faults.clear("idaas.jwks")
    alice = await identity.caller()
    for service in ("idaas.token", "developer_api"):
        with pytest.raises(UnreachableError) as caught:
            await identity.broker.obtain(LLM, MACHINE, alice)
        assert caught.value.code is IdentityCode.IDAAS_UNREACHABLE
        faults.clear(service)
    assert await identity.broker.obtain(LLM, MACHINE, alice)


async def test_idaas_outage_does_not_affect_cached_credentials(identity: Identity) -> None:
    alice = await identity.caller()
    for requirement in (LLM, ENTERPRISE):
        await identity.broker.obtain(requirement, HUMAN, alice)
    for service in ("idaas.jwks", "idaas.token", "developer_api"):
        identity.sandbox.cloud.faults.set(service, Fault(drop=True))
    for _ in range(30):
        identity.sandbox.clock.advance(30)
        assert await identity.caller("bob", lifetime=60)
        for requirement in (LLM, ENTERPRISE):
            assert await identity.broker.obtain(requirement, HUMAN, alice)
        await identity.settled()


async def test_rotated_api_key_is_fetched_after_the_old_one_was_refused(identity: Identity) -> None:
    alice, cloud = await identity.caller(), identity.sandbox.cloud
    old = await identity.broker.obtain(LLM, MACHINE, alice)
    cloud.vault.rotate("llm_api_key", now=identity.sandbox.clock())
    identity.sandbox.clock.advance(5)  # a younger credential is not renewed
    identity.broker.invalidate(old, alice)
    new = await identity.broker.obtain(LLM, MACHINE, alice)
    assert cloud.vault.accepts(new.secret.reveal(), "llm_api_key")


async def test_withdrawn_api_key_is_not_used_after_it_is_read_again(identity: Identity) -> None:
    alice, cloud = await identity.caller(), identity.sandbox.cloud
    await identity.broker.obtain(LLM, HUMAN, alice)
    cloud.vault.find("llm_api_key").readers.discard("user_alice01")
    identity.sandbox.clock.advance(601)
    with pytest.raises(CredentialError) as caught:
        await identity.broker.obtain(LLM, HUMAN, alice)
    assert caught.value.code is GraphCode.LLM_API_KEY_UNAVAILABLE


async def test_wrong_identifier_has_the_code_of_its_requirement(identity: Identity) -> None:
    for code in (GraphCode.LLM_API_KEY_UNAVAILABLE, ToolCode.EXTERNAL_API_KEY_UNAVAILABLE):
        with pytest.raises(CredentialError) as caught:
            await identity.broker.obtain(ApiKeyRequirement("wrong", code), MACHINE, None)
        assert caught.value.code is code
