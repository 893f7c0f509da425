"""`Identity.verify` returns a caller whose access token was verified, or says why there is none."""

import logging

import pytest

from idaas_agent import AccessTokenError, Caller, Identity, Secret
from identity.access_token.revocation import Origin, Revocation, Target
from tests.suite import Sandbox


async def test_caller_has_a_subject_a_name_and_groups(sandbox: Sandbox, identity: Identity) -> None:
    token = sandbox.access_token("alice", name="Alice", groups=["staff", "leads"])
    caller = await identity.verify(token)
    assert isinstance(caller, Caller)
    assert (caller.subject, caller.name, caller.groups) == (
        sandbox.cloud.directory.users["alice"].subject,
        "Alice",
        ("staff", "leads"),
    )
    assert await identity.verify(Secret(token)) == caller


BAD_TOKENS = {
    "no token": lambda _: "",
    "no JWT": lambda _: "canary-token",
    "of another audience": lambda sandbox: sandbox.access_token(aud="https://other.example.com"),
    "expired": lambda sandbox: sandbox.access_token(exp=int(sandbox.clock()) - 3600),
    "without the scope": lambda sandbox: sandbox.access_token(scope="other.read"),
    "of another issuer": lambda sandbox: sandbox.access_token(iss="https://evil.example.com"),
    "changed": lambda sandbox: sandbox.access_token()[:-4] + "AAAA",
}


@pytest.mark.promise("verified-caller")
@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_bad_token_is_an_error_that_does_not_show_it(
    sandbox: Sandbox, identity: Identity, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    token = BAD_TOKENS[kind](sandbox)
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AccessTokenError) as caught:
        await identity.verify(token)
    expected = "insufficient_scope" if kind == "without the scope" else "access_token_invalid"
    assert caught.value.code == expected
    shown = f"{caught.value!r} {caught.value} {caught.value.__notes__} {caplog.text}"
    assert not token or token not in shown
    frames = []
    traceback = caught.value.__traceback__
    while traceback is not None:
        if "/tests/" not in traceback.tb_frame.f_code.co_filename:
            frames.append(traceback.tb_frame.f_locals)
        traceback = traceback.tb_next
    assert not token or token not in repr(frames)


@pytest.mark.promise("verified-caller")
async def test_caller_who_was_revoked_is_refused_although_they_were_verified(
    sandbox: Sandbox, identity: Identity
) -> None:
    token, now = sandbox.access_token("alice"), sandbox.clock()
    caller = await identity.verify(token)
    identity.revocations.apply(Revocation(Target.USER, caller.subject, Origin.OPERATOR, now, now))
    with pytest.raises(AccessTokenError) as caught:
        await identity.verify(token)
    assert caught.value.code == "access_revoked"


@pytest.mark.promise("on-record")
async def test_nothing_is_printed_by_default(
    identity: Identity, sandbox: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    await identity.verify(sandbox.access_token("alice"))
    with pytest.raises(AccessTokenError):
        await identity.verify("no.jwt.there")
    assert capfd.readouterr() == ("", "")


async def test_each_verification_is_on_record(
    sandbox: Sandbox, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "idaas_agent.audit")
    caller = await identity.verify(sandbox.access_token("alice"))
    with pytest.raises(AccessTokenError):
        await identity.verify("no.jwt.there")
    await identity.aclose()
    recorded = [record.fields for record in caplog.records if record.name == "idaas_agent.audit"]
    outcomes = [
        (each["outcome"], each["principal"] and each["principal"]["sub"])
        for each in recorded
        if each["event"] == "authentication"
    ]
    assert outcomes == [("succeeded", caller.subject), ("refused", None)]
