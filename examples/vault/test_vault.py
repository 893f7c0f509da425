import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from vault import Vault, VaultSettings
from vault_server import ROLE_ID, SECRET_ID, VaultServer

from idaas_agent import AgentError
from idaas_agent.testing import IssuerUnderTest, caller

KEY = {"path": "kv/data/ledger", "field": "key"}
PASSWORD = {"path": "database/creds/ledger", "field": "password"}
LOGIN = "POST /v1/auth/approle/login"
ALICE, BOB = caller("alice"), caller("bob")


@pytest.fixture
def server():
    with VaultServer() as server:
        server.users = {"TOKEN-OF-alice": "alice", "TOKEN-OF-bob": "bob"}
        yield server


@pytest.fixture
def secret_id(tmp_path: Path) -> Path:
    file = tmp_path / "secret-id"
    file.write_text(SECRET_ID)
    return file


def with_vault(
    server: VaultServer,
    test: Callable[[IssuerUnderTest], Awaitable[None]],
    secret_id: Path | None = None,
    user_token: bool = False,
) -> IssuerUnderTest:
    """Runs `test` with the issuer at `server`: with AppRole, or without `secret_id` with users' tokens."""
    settings = {"address": server.address, "method": "jwt", "role": "agent"}
    if secret_id is not None:
        settings |= {"method": "approle", "role": ROLE_ID, "secret_id_file": str(secret_id)}

    async def run() -> IssuerUnderTest:
        http = httpx.AsyncClient(trust_env=False)  # no proxy is between the test and its server
        vault = IssuerUnderTest(Vault, settings, user_token=user_token, http=http)
        server.clock = vault.clock
        try:
            await test(vault)
        finally:
            await vault.aclose()
        return vault

    return asyncio.run(run())


def test_fifty_calls_at_once_need_one_login_and_one_request(server, secret_id):
    async def fifty(vault):
        credentials = await asyncio.gather(*(vault.obtain(KEY) for _ in range(50)))
        assert {credential.secret.reveal() for credential in credentials} == {"KEY-OF-LEDGER"}

    vault = with_vault(server, fifty, secret_id)
    assert server.requests == [LOGIN, "GET /v1/kv/data/ledger"]
    assert [(event.action, event.outcome) for event in vault.records] == [
        ("credential_issue", "succeeded"),
        ("credential_issue", "succeeded"),
    ]
    named = [event.credential for event in vault.records]
    assert named == ["issuer#login", "issuer?field=key&path=kv%2Fdata%2Fledger"]


def test_lease_is_renewed_ahead_of_its_end_and_the_login_too(server, secret_id):
    async def later(vault):
        first = await vault.obtain(PASSWORD)
        assert first.expires_at == vault.clock() + server.lease_seconds - 30
        vault.pass_time(server.lease_seconds - 60)  # it has not ended
        assert (await vault.obtain(PASSWORD)).secret == first.secret
        await vault.settled()  # it is renewed in the background
        second = await vault.obtain(PASSWORD)
        assert (second.secret == first.secret, second.expires_at - first.expires_at) == (False, 540)
        for _ in range(2):  # the login ends after 1200 s
            vault.pass_time(server.lease_seconds - 60)
            await vault.obtain(PASSWORD)
            await vault.settled()

    with_vault(server, later, secret_id)
    assert (server.requests.count(LOGIN), server.refusals) == (2, 0)


def test_users_never_share_a_credential_and_the_agent_has_its_own(server, secret_id):
    async def of_users(vault):
        alice, again, bob = [await vault.obtain(PASSWORD, user) for user in (ALICE, ALICE, BOB)]
        assert alice.secret == again.secret
        assert (alice.secret.reveal(), bob.secret.reveal()) == (
            "PASSWORD-alice-ledger-2",
            "PASSWORD-bob-ledger-4",
        )
        assert (alice.principal, bob.principal) == (ALICE.principal, BOB.principal)
        vault.revoke(ALICE)
        assert (await vault.obtain(PASSWORD, ALICE)).secret != alice.secret

    async def of_the_agent(vault):
        first, second = await vault.obtain(PASSWORD), await vault.obtain(PASSWORD)
        assert (first.secret, first.principal) == (second.secret, None)

    with_vault(server, of_users, user_token=True)
    with_vault(server, of_the_agent, secret_id)


def test_users_token_reaches_the_vault_only_if_the_operator_says_so(server):
    async def refused(vault):
        assert await code_of(vault.obtain(KEY, ALICE)) == "issuer_refused"

    with_vault(server, refused, user_token=False)
    assert server.requests == []


def test_login_of_the_agent_gives_no_credential_to_a_user(server, secret_id):
    async def refused(vault):
        assert await code_of(vault.obtain(KEY, ALICE)) == "issuer_refused"

    with_vault(server, refused, secret_id)
    assert server.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1.elsewhere.example",
        "http://localhost@elsewhere.example",
        "https://vault@elsewhere.example",
    ],
)
def test_address_must_be_https_or_this_machine(address):
    with pytest.raises(ValueError, match="address"):
        VaultSettings(address=address, method="jwt", role="users")


def test_failures_have_the_codes_of_issuers_and_no_secret(server, secret_id, caplog):
    caplog.set_level(logging.DEBUG)
    seen = []

    async def failing(vault):
        server.denied.add("/v1/kv/data/ledger")
        seen.append(await code_of(vault.obtain(KEY), seen))
        seen.append(await code_of(vault.obtain({"path": "kv/data/none", "field": "key"}), seen))
        server.is_sealed = True
        seen.append(await code_of(vault.obtain(PASSWORD), seen))
        seen.append(await code_of(vault.check(), seen))
        server.is_sealed = False
        assert await vault.check() == "the vault is unsealed"
        with pytest.raises(ValueError, match="extra is unknown; field must be set"):
            await vault.obtain({"path": "kv/data/ledger", "extra": "1"})

    vault = with_vault(server, failing, secret_id)
    codes = [text for text in seen if text.startswith("issuer_") and "\n" not in text]
    assert codes == ["issuer_refused", "issuer_refused", "issuer_unreachable", "issuer_unreachable"]
    written = "".join([*seen, caplog.text, *map(str, vault.records)])
    assert [secret for secret in (SECRET_ID, "hvs.", "KEY-OF-LEDGER") if secret in written] == []


def test_wrong_secret_id_is_refused_and_read_again(server, secret_id):
    async def rotated(vault):
        secret_id.write_text("old")
        assert await code_of(vault.obtain(KEY)) == "issuer_refused"
        secret_id.write_text(SECRET_ID)
        vault.pass_time(3)
        assert (await vault.obtain(KEY)).secret.reveal() == "KEY-OF-LEDGER"

    with_vault(server, rotated, secret_id)


async def code_of(obtaining: Awaitable[object], shown: list[str] | None = None) -> str:
    """The code of its error; `shown` receives all that is shown of it."""
    with pytest.raises(AgentError) as caught:
        await obtaining
    if shown is not None:
        shown.append("\n".join(traceback.format_exception(caught.value)))
    return caught.value.code.value
