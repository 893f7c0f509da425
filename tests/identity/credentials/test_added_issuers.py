"""Issuers beside IDaaS: what the broker does for them, and what reaches them."""

import asyncio
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.credentials.added_issuers import (
    AddedIssuer,
    AddedIssuers,
    Issuer,
    IssueRequest,
    refused,
    unreachable,
)
from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import IssuerRequirement
from identity.error_codes import IdentityCode
from identity.errors import AgentError, CredentialError, UnreachableError
from identity.principal import AccessIdentity, Caller, Principal
from identity.secrets.secret import Secret
from tests.identity.credentials.controlled_issuer import TOKEN, ControlledIssuer

pytestmark = pytest.mark.promise(
    "human-stays-human", "no-secret-leaves", "refused-ends-use", "fetched-once", "users-never-cross"
)
MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
LEDGER = IssuerRequirement("vault", {"path": "ledger"})
OTHER = IssuerRequirement("vault", {"path": "other"})


class Path(BaseModel):
    path: str
    version: int = 1


class Vault(Issuer[Path]):
    """Issues `path/holder/number`, or does what `does` says."""

    Wanted = Path

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(None, http=httpx.AsyncClient(), clock=clock)
        self.requests: list[IssueRequest[Path]] = []
        self.does: Callable[[IssueRequest[Path]], Any] | None = None
        self.lifetime: float | None = 600.0

    async def issue(self, request: IssueRequest[Path]) -> IssuedCredential:
        self.requests.append(request)
        await asyncio.sleep(0)
        if self.does is not None:
            return self.does(request)  # type: ignore[no-any-return]  # what a test says
        holder = request.caller.subject if request.caller else "agent"
        secret = Secret(f"{request.wanted.path}/{holder}/{len(self.requests)}")
        return IssuedCredential(secret, self.lifetime and self.clock() + self.lifetime)


class WithLogin(Vault):
    """Presents the login, `login/holder/number`."""

    logins = 0

    async def login(self, caller: Caller | None, user_token: Secret | None) -> IssuedCredential:  # noqa: ARG002 - the seam's
        self.logins += 1
        holder = caller.subject if caller else "agent"
        return IssuedCredential(Secret(f"login/{holder}/{self.logins}"), self.clock() + 300)


def user(name: str, clock: Callable[[], float]) -> VerifiedAccessToken:
    return assume_verified(
        principal=Principal("https://idp.example", name),
        audience=("agent",),
        scopes=frozenset(),
        expires_at=clock() + 3600,
        fingerprint=name,
        token=Secret(f"token-of-{name}"),
    )


class Setting:
    def __init__(self, clock: Any, vault: Vault, **declared: Any) -> None:
        self.clock = clock
        self.vault = vault
        self.idaas = ControlledIssuer(clock)
        self.issuers = AddedIssuers(self.idaas, clock)
        self.issuers.add("vault", AddedIssuer(vault, **declared))
        self.broker = CredentialBroker(self.issuers, clock=clock, jitter=lambda: 0.0)
        self.alice, self.bob = user("alice", clock), user("bob", clock)

    async def secret(self, requirement: Any = LEDGER, user: VerifiedAccessToken | None = None) -> str:
        identity = MACHINE if user is None else HUMAN
        return (await self.broker.obtain(requirement, identity, user)).secret.reveal()

    async def failure(self, user: VerifiedAccessToken | None = None) -> AgentError:
        with pytest.raises(AgentError) as caught:
            await self.secret(user=user)
        self.clock.now += 3  # refusals are kept for two seconds
        return caught.value


@pytest.fixture
def setting(clock: Any) -> Setting:
    return Setting(clock, Vault(clock))


async def test_fifty_requests_at_once_are_one(setting: Setting) -> None:
    secrets = await asyncio.gather(*(setting.secret() for _ in range(50)))
    assert (set(secrets), len(setting.vault.requests)) == ({"ledger/agent/1"}, 1)


async def test_agents_credential_is_shared_and_a_users_is_theirs_alone(setting: Setting) -> None:
    alice, bob = setting.alice, setting.bob
    mixed = await asyncio.gather(*(setting.secret(user=who) for who in (alice, bob, None, alice, bob, None)))
    assert mixed[:3] == mixed[3:]
    assert [secret.split("/")[1] for secret in mixed[:3]] == ["alice", "bob", "agent"]
    assert len(setting.vault.requests) == 3


async def test_machine_identity_has_neither_caller_nor_their_token(clock: Any) -> None:
    setting = Setting(clock, Vault(clock), user_token=True)
    await setting.issuers.issue(LEDGER, MACHINE, setting.alice, None)
    await setting.issuers.issue(LEDGER, HUMAN, setting.alice, None)
    received = [(request.caller, request.user_token) for request in setting.vault.requests]
    assert received == [(None, None), (setting.alice.caller, setting.alice.token)]


async def test_issuer_that_cannot_be_closed_keeps_no_other_open(setting: Setting, caplog: Any) -> None:
    async def fails() -> None:
        raise RuntimeError("hvs.secret")

    closed: list[str] = []

    async def closes() -> None:
        closed.append("other")

    other = Vault(setting.clock)
    setting.vault.aclose = fails  # type: ignore[method-assign]  # an issuer that fails
    other.aclose = closes  # type: ignore[method-assign]  # an issuer that closes
    setting.issuers.add("other", AddedIssuer(other))
    await setting.issuers.aclose()
    assert closed == ["other"]
    assert 'not closed: issuer "vault": raised RuntimeError' in caplog.text
    assert "hvs.secret" not in caplog.text


async def test_exception_before_an_issuer_waits_is_an_error_of_issuers_too(setting: Setting) -> None:
    def issue(_: object) -> Any:
        raise RuntimeError("hvs.secret")

    setting.vault.issue = issue  # type: ignore[method-assign]  # an issuer that is wrapped
    failure = await setting.failure()
    assert failure.code is IdentityCode.ISSUER_UNREACHABLE
    assert "hvs.secret" not in str(failure)


async def test_exception_of_an_issuer_is_not_kept_by_the_failure(setting: Setting) -> None:
    def fails(_: object) -> None:
        raise RuntimeError("hvs.secret")

    setting.vault.does = fails
    failure = await setting.failure()
    causes: list[BaseException | None] = [failure]
    while causes[-1] is not None:
        assert "hvs.secret" not in str(causes[-1])
        causes.append(causes[-1].__cause__ or causes[-1].__context__)


async def test_it_is_renewed_ahead_of_its_end_in_the_background(setting: Setting) -> None:
    first = await setting.secret()
    setting.clock.now += 535  # of 600
    assert await setting.secret() == first
    setting.clock.now += 10
    assert await setting.secret() == first
    await setting.broker.settled()
    assert await setting.secret() == "ledger/agent/2"


async def test_users_credential_ends_with_their_access_token(setting: Setting) -> None:
    setting.vault.lifetime = 1e6
    credential = await setting.broker.obtain(LEDGER, HUMAN, setting.alice)
    assert credential.expires_at == setting.alice.expires_at


async def test_revoked_user_has_none_any_more_and_others_keep_theirs(setting: Setting) -> None:
    before = [await setting.secret(user=who) for who in (setting.alice, setting.bob)]
    setting.broker.forget_users(lambda _, principal: principal.subject == "alice")
    after = [await setting.secret(user=who) for who in (setting.alice, setting.bob)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True]


async def test_refused_credential_is_gone_at_once_and_no_other_one(setting: Setting) -> None:
    token, other = await setting.secret(TOKEN), await setting.secret(OTHER)
    await setting.secret()
    setting.vault.does = lambda _: raised_by(refused("not for you"))
    setting.clock.now += 545
    await setting.secret()  # begins the renewal, which is refused
    await setting.broker.settled()
    assert setting.broker.cached(LEDGER, MACHINE, None, renews=False) is None
    assert setting.broker.cached(OTHER, MACHINE, None, renews=False) is not None
    assert (await setting.secret(TOKEN), token.split("/")[0], other[:5]) == (token, "machine", "other")


def raised_by(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("failure", "code", "detail"),
    [
        (refused("no role"), IdentityCode.ISSUER_REFUSED, 'issuer "vault": no role'),
        (unreachable("status 503"), IdentityCode.ISSUER_UNREACHABLE, 'issuer "vault": status 503'),
        (KeyError("token-of-alice"), IdentityCode.ISSUER_UNREACHABLE, "raised KeyError at "),
        (httpx.ConnectError("canary"), IdentityCode.ISSUER_UNREACHABLE, "raised ConnectError at "),
        (TimeoutError("canary"), IdentityCode.ISSUER_UNREACHABLE, "no response within 10 s"),
        (
            CredentialError(IdentityCode.CLIENT_AUTHENTICATION_FAILED, "canary"),
            IdentityCode.ISSUER_REFUSED,
            'issuer "vault": canary',
        ),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_failure_has_a_code_of_issuers_whatever_is_raised(
    setting: Setting, failure: Exception, code: IdentityCode, detail: str
) -> None:
    setting.vault.does = lambda _: raised_by(failure)
    error = await setting.failure(setting.alice)
    assert (error.code, detail in error.detail) == (code, True)
    assert isinstance(error, CredentialError if code is IdentityCode.ISSUER_REFUSED else UnreachableError)
    assert "canary" not in error.for_person()


async def test_text_of_an_error_never_has_the_users_token_or_the_login(clock: Any) -> None:
    setting = Setting(clock, WithLogin(clock), user_token=True)
    setting.vault.does = lambda request: raised_by(
        refused(f"for {request.user_token.reveal()} with {request.login.reveal()}")  # type: ignore[union-attr]  # both are there
    )
    error = await setting.failure(setting.alice)
    shown = "".join([*traceback.format_exception(error), error.detail, repr(error)])
    assert [secret for secret in ("token-of-alice", "login/alice") if secret in shown] == []
    assert "**redacted**" in error.detail


@pytest.mark.parametrize(
    "issued",
    [
        None,
        "a text",
        IssuedCredential("a text"),  # type: ignore[arg-type]  # the refusal is under test
        IssuedCredential(Secret("")),
        IssuedCredential(Secret("two\nlines")),
        IssuedCredential(Secret("x" * 16385)),
        IssuedCredential(Secret("x"), 1.0),
        IssuedCredential(Secret("x"), float("nan")),
        IssuedCredential(Secret("x"), True),
        IssuedCredential(Secret("x"), "tomorrow"),  # type: ignore[arg-type]  # the refusal is under test
    ],
    ids=str,
)
async def test_what_cannot_be_used_is_no_credential(setting: Setting, issued: Any) -> None:
    setting.vault.does = lambda _: issued
    assert (await setting.failure()).code is IdentityCode.ISSUER_UNREACHABLE


async def test_issuer_that_hangs_is_ended(clock: Any) -> None:
    class Hanging(Vault):
        async def issue(self, request: IssueRequest[Path]) -> IssuedCredential:
            await asyncio.Event().wait()
            return await super().issue(request)

    error = await Setting(clock, Hanging(clock), seconds=0.01).failure()
    assert (error.code, error.detail) == (
        IdentityCode.ISSUER_UNREACHABLE,
        'issuer "vault": no response within 0.01 s',
    )


@pytest.mark.parametrize("declared", [False, True])
async def test_users_token_is_seen_only_if_it_is_declared_and_never_under_machine(
    clock: Any, declared: bool
) -> None:
    setting = Setting(clock, Vault(clock), user_token=declared)
    await setting.secret(user=setting.alice)
    await setting.broker.obtain(LEDGER, MACHINE, setting.alice)
    of_alice, of_agent = setting.vault.requests
    assert of_alice.user_token == (setting.alice.token if declared else None)
    assert of_alice.caller is not None
    assert "token-of" not in repr(of_alice)
    assert (of_agent.user_token, of_agent.caller) == (None, None)


async def test_login_is_obtained_first_for_its_holder_and_shared_by_what_the_holder_gets(clock: Any) -> None:
    vault = WithLogin(clock)
    setting = Setting(clock, vault)
    for who in (setting.alice, setting.bob, None):
        await asyncio.gather(setting.secret(user=who), setting.secret(OTHER, who))
    logins = [request.login.reveal() for request in vault.requests if request.login]
    assert logins == [
        f"login/{holder}" for holder in ("alice/1", "alice/1", "bob/2", "bob/2", "agent/3", "agent/3")
    ]


async def test_refused_login_is_renewed_once(clock: Any) -> None:
    vault = WithLogin(clock)
    setting = Setting(clock, vault)
    vault.does = lambda _: raised_by(refused("permission denied", login=True))
    error = await setting.failure()
    assert (error.code, vault.logins, len(vault.requests)) == (IdentityCode.ISSUER_REFUSED, 2, 2)


def test_requirement_is_a_value_by_what_it_asks_for() -> None:
    assert IssuerRequirement("vault", (("path", "ledger"),)) == LEDGER
    assert {LEDGER, OTHER, IssuerRequirement("sts", {"path": "ledger"})} - {LEDGER} == {
        OTHER,
        IssuerRequirement("sts", {"path": "ledger"}),
    }
    numbers = (
        IssuerRequirement("v", {"b": 1, "a": ["x", "y"]}),
        IssuerRequirement("v", {"b": True, "a": ["x", "y"]}),
    )
    assert numbers[0] != numbers[1]
    assert numbers[0].declared == {"credential": "v?a=x&a=y&b=1"}
    assert LEDGER.described == {"credential": "vault?path=ledger", "credential_kind": "issuer_credential"}
    with pytest.raises(ValueError, match='setting "at" must be a text'):
        IssuerRequirement("v", {"at": 1.5})  # type: ignore[dict-item]  # the refusal is under test


def test_fault_of_a_requirement_is_known_before_it_is_asked_for(setting: Setting) -> None:
    fault = setting.issuers.fault
    assert fault(LEDGER) is None
    assert fault(IssuerRequirement("volt")) == 'there is no issuer "volt"; there are: vault'
    assert fault(IssuerRequirement("vault", {"pth": "x", "version": "one"})) == (
        "pth is unknown; path must be set; version: input should be a valid integer, "
        "unable to parse string as an integer"
    )
    assert fault(IssuerRequirement("vault", login=True)) == "a service requires no login"
