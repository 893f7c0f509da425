"""A run whose process is killed: `python -m … DATABASE SECONDS MOMENT`, in the middle of a response or at its
end, when it is counted.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from agent.conversations.database.database import Database
from agent.conversations.database.postgres_connections import PostgresConnections, conninfo
from agent.conversations.database.postgres_database import PostgresDatabase
from agent.conversations.database.sqlite_database import SqliteDatabase
from identity.secrets.secret import Secret
from plugins.budgets.daily_budget import DailyBudget
from plugins.budgets.tests.users import caller, used


def opened(address: str) -> Database:
    if address.startswith("postgresql"):
        return PostgresDatabase(PostgresConnections(conninfo(Secret(address))))
    return SqliteDatabase(Path(address))


async def main(address: str, now: float, moment: str) -> None:
    budget = DailyBudget(opened(address), lambda: now)
    reserved = await budget.reserve(caller("alice"), "qwen-plus", 900)
    if moment == "at the end":
        await reserved.settle(used(950, 50))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), sys.argv[3]))
