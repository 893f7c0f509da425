"""Whether a run is still its thread's, and this process executes it: within the transaction that needs it.

Asking is a heartbeat, too (`process_runs.seen`), which every process that looks for silent ones waits for. So
an answer holds for longer than a transaction may take, and no answer is late.
"""

from collections.abc import Callable
from dataclasses import dataclass

from agent.conversations.database.database import Database, Statement, Transaction
from agent.conversations.process_runs import seen
from agent.conversations.thread import owner_digest
from agent.errors.error_codes import AgentCode
from graph.context import Conversation
from identity.errors import ThreadBusyError
from identity.principal import Principal


@dataclass(frozen=True, slots=True)
class SqlRunFence:
    """A `RunFence` of the process `process_id`."""

    _database: Database
    process_id: str
    _clock: Callable[[], float]

    async def check(self, principal: Principal, run: Conversation) -> None:
        """See `RunFence`. One exchange with the database."""
        await self._database.batches(lambda: self.held(principal, run))

    def held(self, principal: Principal, run: Conversation) -> Transaction[None]:
        """Until the transaction ends, no other one ends the run, or takes this process for silent.

        Raises `ThreadBusyError` unless the run is in progress here.
        """
        in_progress = Statement(
            "SELECT 1 FROM threads WHERE owner = ? AND id = ? AND run_id = ? AND process_id = ?"
            " AND status = 'running' AND deleted_at IS NULL",
            (owner_digest(principal), run.thread_id, run.run_id, self.process_id),
            lock=True,
        )
        _, rows = yield [seen(self.process_id, self._clock()), in_progress]
        if not rows:
            raise ThreadBusyError(AgentCode.RUN_INTERRUPTED, "the run is not its thread's any more")
