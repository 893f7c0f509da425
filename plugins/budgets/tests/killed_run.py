"""A run whose process is killed once a response is counted: `python -m … FILE SECONDS`, of the database."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from agent.conversations.database.sqlite_database import SqliteDatabase
from plugins.budgets.daily_budget import DailyBudget
from plugins.budgets.tests.users import caller, used


async def main(file: Path, now: float) -> None:
    budget = DailyBudget(SqliteDatabase(file), lambda: now, tokens=1000, prices={})
    await budget.add(caller("alice"), "qwen-plus", used(900, 100))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
