"""A run whose events the test gives."""

from agent.conversations.owned_thread import RunKey, stored_owner
from agent.runs.run import Cancelled, End, Run, RunEvent, RunReader
from identity.errors import AgentError


def scripted_run() -> Run:
    """A run without events, which goes on."""
    return Run("0a1b2c3d", RunKey(stored_owner("alice").thread("thread-1"), "run-1"))


def add(run: Run, *events: RunEvent | AgentError) -> None:
    """Adds events; an `End` or an error ends the run."""
    for event in events:
        if isinstance(event, End | AgentError):
            run.conclude(event)
        else:
            run.replay.add(event)
    run.wake()


def reader_of(*events: RunEvent | AgentError) -> RunReader:
    """Reads a run that has had these events; without an end it was cancelled."""
    run = scripted_run()
    add(run, *events)
    if run.outcome is None:
        run.conclude(Cancelled())
    return run.events()
