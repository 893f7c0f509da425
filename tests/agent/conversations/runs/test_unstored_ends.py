"""A run whose end could not be stored, because the database was away, is continued as soon as it is back."""

from pathlib import Path
from typing import Any

from agent.conversations.database.sqlite_database import SqliteDatabase
from agent.conversations.runs.run_transcript import MAY_HAVE_EFFECT
from agent.errors.error_codes import AgentCode
from identity.errors import UnavailableError
from tests.agent.conversations.processes import ALICE, THREAD, HangingService, ProcessOf, human, in_brief
from tests.graph.scripted_model import DONE, calls


class DatabaseThatGoesAway(SqliteDatabase):
    """While it is `away`, no run can store anything."""

    away = False

    async def batches(self, work: Any) -> Any:
        if self.away:
            raise UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, "away")
        return await super().batches(work)


async def test_run_whose_end_could_not_be_stored_can_be_continued_at_the_next_heartbeat(
    process: ProcessOf, tmp_path: Path
) -> None:
    slow = HangingService(weather="sunny")
    database = DatabaseThatGoesAway(tmp_path / "conversations.db")
    one = process([calls(("weather", {})), DONE], slow, database=database)
    run = await one.conversations.start(ALICE, THREAD, [human("go")], streaming=True)
    await slow.called.wait()
    database.away = True
    slow.release.set()
    await run.task
    assert getattr(run.outcome, "code", None) is AgentCode.CONVERSATIONS_UNAVAILABLE
    assert await one.status() == "running"
    database.away = False
    await one.conversations.heartbeat.beat()
    assert await one.status() == "interrupted"
    assert in_brief(await one.transcript())[-1] == ("tool", MAY_HAVE_EFFECT)
    await (await one.conversations.continue_(ALICE, THREAD, streaming=True)).task
    assert in_brief(await one.transcript())[-1] == ("ai", "done")
