"""`Identity.revoke` ends what a user may do through the application, now."""

import asyncio
import logging

import pytest

from idaas_agent import AccessIdentity, AccessTokenError, AccessTokenRequirement, Identity
from tests.suite import Sandbox

SCOPE = AccessTokenRequirement("https://leave.sandbox.example|leave.read")


@pytest.mark.promise("revoked-refused")
async def test_revoked_user_is_refused_until_they_sign_in_again(sandbox: Sandbox, identity: Identity) -> None:
    alice, bob = sandbox.access_token("alice"), sandbox.access_token("bob")
    caller = await identity.verify(alice)
    async with identity.acting_for(alice):
        await identity.revoke(caller.subject)
        with pytest.raises(AccessTokenError) as caught:
            await identity.caller_of_run()
    assert caught.value.code == "access_revoked"
    assert await identity.verify(bob)
    sandbox.clock.advance(5)
    assert await identity.verify(sandbox.access_token("alice"))


@pytest.mark.promise("revoked-refused")
async def test_cached_credentials_of_a_revoked_user_are_gone(sandbox: Sandbox, identity: Identity) -> None:
    broker = (await identity.parts()).broker
    users = {}
    for name in ("alice", "bob"):
        async with identity.acting_for(sandbox.access_token(name)):
            users[name] = await identity.required_caller()
    sandbox.cloud.directory.people.add(
        (users["bob"].principal.subject, "https://leave.sandbox.example", "leave.read")
    )
    for caller in users.values():
        await broker.obtain(SCOPE, AccessIdentity.HUMAN, caller)
    await identity.revoke(users["alice"].principal.subject)
    assert broker.cached(SCOPE, AccessIdentity.HUMAN, users["alice"]) is None
    assert broker.cached(SCOPE, AccessIdentity.HUMAN, users["bob"]) is not None


@pytest.mark.promise("on-record")
async def test_revocation_is_on_record(
    sandbox: Sandbox, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "idaas_agent.audit")
    await identity.revoke("user_alice01")
    await identity.aclose()
    events = [(each.fields["event"], each.fields["principal"]) for each in caplog.records]
    assert ("access_revoked", {"iss": sandbox.issuer, "sub": "user_alice01"}) in events


@pytest.mark.promise("revoked-refused")
def test_revocation_outlives_the_event_loop(sandbox: Sandbox, variables: dict[str, str]) -> None:
    identity = Identity.from_env(variables, clock=sandbox.clock)
    token = sandbox.access_token("alice")
    caller = asyncio.run(identity.verify(token))
    asyncio.run(identity.revoke(caller.subject))
    with pytest.raises(AccessTokenError, match="access_revoked"):
        asyncio.run(identity.verify(token))


async def test_subject_that_no_user_has_is_refused(identity: Identity) -> None:
    with pytest.raises(ValueError, match="name must have 1 to"):
        await identity.revoke("")
