"""Two owners, threads with finished runs, and a database that counts what is read."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage

from agent.conversations.database.database import Database, Rows, Statement, Transaction
from agent.conversations.owned_thread import OwnedThread, RunKey, ThreadOwner, stored_owner
from agent.conversations.thread import owner_digest
from agent.conversations.threads import ThreadStore
from identity.principal import Principal

ALICE = stored_owner(owner_digest(Principal("https://idaas.example", "user_alice")))
RUN = RunKey(ALICE.thread("t"), "r")
BOB = stored_owner(owner_digest(Principal("https://idaas.example", "user_bob")))
OWNER = stored_owner("owner")


class Clock:
    """Advances by a second at each look."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


async def asked(threads: ThreadStore, thread_id: str, *texts: str, owner: ThreadOwner = ALICE) -> None:
    """A thread with one finished run for each question."""
    for number, text in enumerate(texts):
        run = f"run-{thread_id}-{number}"
        await threads.begin_run(
            RunKey(owner.thread(thread_id), run), "process", messages=[HumanMessage(text)]
        )
        await threads.end_run(RunKey(owner.thread(thread_id), run), "idle", [AIMessage(f"Answer to {text}")])


class CountedReads:
    """A database; `transactions` has the rows and the bytes that each transaction received."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.transactions: list[tuple[int, int]] = []

    async def read(self, work):
        return await self._database.read(lambda: self._counted(work()))

    async def write(self, work, *, durable: bool = False):
        return await self._database.write(lambda: self._counted(work()), durable=durable)

    async def batches(self, work):
        return await self._database.batches(lambda: self._counted(work()))

    def _counted(self, transaction: Transaction) -> Transaction:
        rows, size = 0, 0
        statements: Sequence[Statement] = next(transaction)
        try:
            while True:
                results: Sequence[Rows] = yield statements
                rows += sum(map(len, results))
                values = [value for found in results for row in found for value in row]
                size += sum(len(value) for value in values if isinstance(value, bytes))
                statements = transaction.send(results)
        except StopIteration as end:
            self.transactions.append((rows, size))
            return end.value


async def window(threads: ThreadStore, thread: OwnedThread) -> list[Any]:
    """What the model is to receive of a thread, within 1,000 tokens."""
    return await threads._read(thread, lambda key: threads._transcript.window(key, 1000))
