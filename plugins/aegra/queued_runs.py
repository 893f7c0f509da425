"""Runs that Aegra stores and cannot queue, or that no worker can execute: they end.

Aegra stores a run before it queues it. If Redis fails in between, it refuses the request, and would queue the
run two minutes later. A worker that takes a run whose row names two users (which only a writer of the
database can do) releases it, and the run would stay `running` for ever.
"""

import asyncio
import logging
from typing import Any, Final

from aegra_api.core.orm import Run, _get_session_maker
from aegra_api.services.executor import executor
from aegra_api.services.run_status import interrupt_unowned_run, set_thread_status
from aegra_api.settings import settings
from redis import RedisError
from sqlalchemy import func, update

from agent.errors.error_codes import AgentCode
from identity.errors import UnavailableError

_LOG: Final = logging.getLogger("idaas_agent.aegra")
_SECONDS: Final = 5.0
"""How long a request waits for Redis to queue its run."""
_ABANDONED: Final = "no worker can execute it: its row names two users"


def refuse_unqueued_runs() -> None:
    """Ends each run that cannot be queued, before its request is refused with `UnavailableError`."""
    submit = executor.submit

    async def submit_or_end(job: Any) -> None:  # noqa: ANN401 - Aegra's
        try:
            async with asyncio.timeout(_SECONDS):
                await submit(job)
        except (RedisError, OSError) as error:
            kind = type(error).__name__
            run = job.identity
            async with _get_session_maker()() as session:
                ended = await interrupt_unowned_run(
                    session, run.run_id, run.thread_id, user_id=job.user.identity
                )
            if ended:  # otherwise Redis had queued it, and a worker has it
                detail = f"Redis failed ({kind}): a run could not be queued"
                raise UnavailableError(AgentCode.REDIS_UNAVAILABLE, detail) from None

    executor.submit = submit_or_end


async def end_abandoned_runs() -> None:
    """Ends runs that are `running` and that no worker has, as often as Aegra looks for lost workers.

    It does not return. A worker claims a run when it sets it `running`, and releases it after its end.
    """
    abandoned = (
        update(Run)
        .where(Run.status == "running", Run.claimed_by.is_(None))
        .values(status="error", error_message=_ABANDONED, updated_at=func.now())
        .returning(Run.run_id, Run.thread_id)
    )
    while True:
        await asyncio.sleep(settings.worker.REAPER_INTERVAL_SECONDS)
        try:
            async with _get_session_maker()() as session:
                for run_id, thread_id in (await session.execute(abandoned)).all():
                    _LOG.warning("ended run %s: %s", run_id, _ABANDONED)
                    await set_thread_status(session, thread_id, "error")
                await session.commit()
        except Exception as error:  # noqa: BLE001 - PostgreSQL may be away; the next time it is not
            _LOG.warning("abandoned runs could not be ended (%s)", type(error).__name__)
