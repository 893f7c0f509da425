"""An application follows the agent's database of revocations, and adds to it."""

from pathlib import Path
from typing import Any

import pytest

from agent.operations.revocation.database_store import database_store
from idaas_agent import AccessTokenError, AgentError, Identity, Secret
from identity.access_token.revocation import Origin, Revocation, Target
from tests.databases.postgres_process import PostgresProcess
from tests.suite import Sandbox
from tests.until import until

pytestmark = pytest.mark.promise("revoked-refused")


@pytest.fixture(params=["file", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The variable that names the database."""
    if request.param == "file":
        return {"REVOCATIONS_FILE": str(tmp_path / "revocations.sqlite")}
    postgres: PostgresProcess = request.getfixturevalue("postgres")
    return {"CONVERSATIONS_URL": postgres.url}


@pytest.fixture
def store(place: dict[str, str]) -> Any:
    """The database, as an agent or `idaas-agent revoke` uses it."""
    file, url = place.get("REVOCATIONS_FILE"), place.get("CONVERSATIONS_URL")
    return database_store(Path(file) if file else None, Secret(url) if url else None, None)


async def until_refused(identity: Identity, token: str) -> AccessTokenError:
    refusals: list[AccessTokenError] = []

    async def is_refused() -> bool:
        try:
            await identity.verify(token)
        except AccessTokenError as error:
            refusals.append(error)
        return bool(refusals)

    await until(is_refused)
    return refusals[0]


async def test_what_an_operator_revokes_is_refused(
    sandbox: Sandbox, variables: dict[str, str], place: dict[str, str], store: Any
) -> None:
    token, now = sandbox.access_token("alice"), sandbox.clock()
    async with Identity.from_env(variables | place, clock=sandbox.clock) as identity:
        caller = await identity.verify(token)
        await store.put([Revocation(Target.USER, caller.subject, Origin.OPERATOR, now, now)])
        assert (await until_refused(identity, token)).code == "access_revoked"
        assert await identity.verify(sandbox.access_token("bob"))
    await store.aclose()


async def test_what_an_application_revokes_is_refused_in_every_process(
    sandbox: Sandbox, variables: dict[str, str], place: dict[str, str]
) -> None:
    token = sandbox.access_token("alice")
    first, second = (Identity.from_env(variables | place, clock=sandbox.clock) for _ in range(2))
    async with first, second:
        caller = await second.verify(token)
        await first.revoke(caller.subject)
        for identity in (first, second):
            assert (await until_refused(identity, token)).code == "access_revoked"
    async with Identity.from_env(variables | place, clock=sandbox.clock) as later:
        with pytest.raises(AccessTokenError, match="access_revoked"):
            await later.verify(token)


async def test_no_token_is_accepted_until_the_database_was_read(
    sandbox: Sandbox, variables: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "revocations.sqlite"
    file.write_text("no database")
    given = variables | {"REVOCATIONS_FILE": str(file)}
    async with Identity.from_env(given, clock=sandbox.clock) as identity:
        with pytest.raises(AgentError, match="revocations_unavailable"):
            await identity.verify(sandbox.access_token("alice"))


def test_password_of_the_database_is_not_shown(variables: dict[str, str]) -> None:
    url = "postgresql://agent:canary@db.example/conversations"
    identity = Identity.from_env(variables | {"CONVERSATIONS_URL": url})
    assert "canary" not in f"{identity.settings!r} {identity.settings.model_dump_json()}"


def test_conversations_that_are_no_postgresql_name_no_database(variables: dict[str, str]) -> None:
    identity = Identity.from_env(variables | {"CONVERSATIONS_URL": "sqlite:///conversations.db"})
    assert identity.settings.conversations_url is None
