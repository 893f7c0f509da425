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
from identity.errors import AccessTokenError, CredentialError, InsufficientScopeError
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


async def test_several_permissions_of_one_audience_are_one_token_of_the_user(identity: Identity) -> None:
    audience = "https://leave.sandbox.example"
    both = AccessTokenRequirement(f"{audience}|leave.read {audience}|leave.write")
    issued = await identity.broker.obtain(both, HUMAN, await identity.caller("alice"))
    claims = jwt.decode(issued.secret.reveal(), options={"verify_signature": False})
    assert (claims["sub"], claims["scope"].split()) == ("user_alice01", ["leave.read", "leave.write"])


async def test_tokens_for_other_audiences_and_without_the_permission_are_refused(identity: Identity) -> None:
    with pytest.raises(AccessTokenError):
        await identity.caller(audience="https://enterprise.sandbox.example")
    with pytest.raises(InsufficientScopeError):
        await identity.caller(permissions=())
    with pytest.raises(AccessTokenError):
        await identity.verifier.verify(identity.sandbox.cloud.machine_token("urn:cloud:idaas:pam", (".all",)))


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


async def test_withdrawn_api_key_is_not_used_after_it_is_read_again(identity: Identity) -> None:
    alice, cloud = await identity.caller(), identity.sandbox.cloud
    await identity.broker.obtain(LLM, HUMAN, alice)
    cloud.vault.find("llm_api_key").readers.discard("user_alice01")
    identity.sandbox.clock.advance(601)
    with pytest.raises(CredentialError) as caught:
        await identity.broker.obtain(LLM, HUMAN, alice)
    assert caught.value.code is GraphCode.LLM_API_KEY_UNAVAILABLE
