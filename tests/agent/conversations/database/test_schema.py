"""Today's code beside tables of the next version: it goes on where it runs, and refuses where it starts."""

import pytest

from agent.conversations.database.database import Database, query
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.conversations.database.schema import SCHEMA_VERSION
from agent.conversations.owned_thread import RunKey
from agent.conversations.threads import ThreadStore
from agent.errors.error_codes import AgentCode
from identity.errors import ConfigurationError
from tests.agent.conftest import NewDatabase
from tests.agent.conversations.stored_threads import OWNER


async def set_version(database: Database, version: str) -> None:
    change = {PostgresDatabase: "UPDATE schema_version SET version"}.get(
        type(database), "PRAGMA user_version"
    )
    await database.write(lambda: query(f"{change} = {version}"))


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, -1], ids=["next", "unknown"])
async def test_running_process_goes_on_with_expanded_tables_and_one_that_starts_refuses_them(
    new_database: NewDatabase, version: int
) -> None:
    running = new_database()
    threads = ThreadStore(running)
    await threads.open(OWNER, "t")
    await running.write(lambda: query("ALTER TABLE threads ADD COLUMN pinned INTEGER"))
    await set_version(running, str(version))
    try:
        started = ThreadStore(new_database())
        for use in (started.open(OWNER, "new"), started.get(OWNER.thread("t")), started._database.check()):
            with pytest.raises(ConfigurationError) as caught:
                await use
            assert caught.value.code is AgentCode.CONVERSATIONS_SCHEMA_UNKNOWN
            assert f"version {version}, and this agent knows {SCHEMA_VERSION}" in caught.value.detail
        await threads.begin_run(RunKey(OWNER.thread("t"), "r"), "p")
        assert [each.id for each in (await threads.page(OWNER, limit=9))[0]] == ["t"]
    finally:
        await running.write(lambda: query("ALTER TABLE threads DROP COLUMN pinned"))
        await set_version(running, str(SCHEMA_VERSION))
