"""Starts runs of one graph, counts them against their limits, and ends them: one caller's, or all."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import Any, Final, cast

from langchain_core.messages import AnyMessage

from agent.operations.metrics.run_measures import RunMeasures
from agent.runs.live_run import LiveRun, Work
from agent.runs.run import Finished, ModelMessages, Outcome, RunReader
from agent.runs.run_limits import RunLeases, RunLimit
from agent.runs.run_parts import RunGraph
from graph.answer_form import AnswerForm
from graph.context import AgentContext, release
from graph.extensions import Extensions
from graph.files import RunFiles, detached
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, LimitError
from identity.principal import Principal

_MOST_READERS: Final = 20


@dataclass(frozen=True, slots=True)
class _UnkeptWork:
    """Runs the graph on the messages of a request. The run has no thread, and stores nothing."""

    graph: RunGraph
    messages: Sequence[AnyMessage]
    context: AgentContext

    async def run(self, live: LiveRun) -> Finished:
        """See `Work`."""
        context = replace(self.context, writer=live.emit)
        of_model = ModelMessages()
        stream = self.graph.astream(
            {"messages": list(self.messages)}, {"callbacks": []}, context=context, stream_mode="updates"
        )
        try:
            async with aclosing(cast(AsyncGenerator[dict[str, Any]], stream)) as updates:
                async for update in updates:
                    for updated in update.values():
                        of_model.add((updated or {}).get("messages", ()))
                    await live.room()
        finally:
            release(context)
        return of_model.finished(context.extensions.get(AnswerForm))

    async def close(self, outcome: Outcome) -> Outcome:
        """See `Work`."""
        return outcome


@dataclass(slots=True)
class Runs:
    """Starts runs of one graph, and keeps them until they end. `leases` limits a caller's runs over all
    processes. `traced` sends the runs to LangSmith. `measures` counts them.
    """

    graph: RunGraph
    _: KW_ONLY
    timeout: float
    limit: RunLimit[LiveRun] = field(default_factory=RunLimit)
    leases: RunLeases | None = None
    traced: bool = False
    measures: RunMeasures | None = None
    readers: RunLimit[RunReader] = field(default_factory=lambda: RunLimit(per_caller=_MOST_READERS))
    """The limit of the readers of runs that they did not start."""
    _ended_by: Callable[[], AgentError] | None = field(init=False, default=None)

    def check(self, caller: Principal) -> None:
        """Raises what `start` would raise now, so that a request can be refused before its body is read."""
        if self._ended_by is not None:
            raise self._ended_by()
        self.limit.check(caller)

    def start(
        self,
        messages: Sequence[AnyMessage],
        caller: VerifiedAccessToken,
        *,
        streaming: bool,
        steps: bool = False,
        requested: Sequence[object] = (),
    ) -> RunReader:
        """Runs the graph on `messages` for one reader, and cancels the run when the reader leaves.

        `streaming` requests the model's response as a stream, `steps` the events of nodes and messages.
        `requested` are records beside the run: a call in place of the model's response (`RequestedCall`), the
        form of the answer (`AnswerForm`).

        A run that takes longer than the limit raises `RunTimeoutError`; one for which no place is left over
        all processes raises `LimitError` in place of its first event.

        Raises `LimitError` or `UnavailableError` if there are too many in this process.
        """
        asked, files = detached(messages)

        async def read_files(_: Sequence[str]) -> Mapping[str, bytes]:
            return files

        records = Extensions(RunFiles(read_files), *requested)
        context = AgentContext(caller.token, streaming, steps, extensions=records)
        work = _UnkeptWork(self.graph, asked, context)
        return self.run(work, caller, one_reader=True).events(keep=False)

    def run(self, work: Work, caller: VerifiedAccessToken, **options: Any) -> LiveRun:  # noqa: ANN401 - those of `LiveRun`
        """The run of `work`, counted until its task is done; `end` and others end it. Raises what `check`
        raises.
        """
        self.check(caller.principal)
        lease = None if self.leases is None else partial(self.leases.acquire, caller.principal)
        run = LiveRun(
            work, seconds=self.timeout, lease=lease, traced=self.traced, measures=self.measures, **options
        )
        ended = self.limit.count(run, caller)
        run.task.add_done_callback(lambda _: ended())
        return run

    def admit(self, reader: RunReader, caller: VerifiedAccessToken) -> None:
        """Counts a reader of a run that it did not start, until it leaves: another tab, another device, a
        reloaded page. It has its own access token: if that is revoked, the reader ends, and the run does not.
        Above the limit, makes it leave, and raises `LimitError`.
        """
        try:
            self.readers.check(caller.principal)
        except LimitError:
            reader.leave()
            raise
        reader.on_leave = self.readers.count(reader, caller)

    def end(self, reason: Callable[[], AgentError]) -> None:
        """Ends all runs with the error `reason()`, which later calls of `start` raise. Does not wait."""
        self._ended_by = reason
        for run in list(self.limit.counted):
            run.end(reason())

    def end_of(self, callers: Callable[[VerifiedAccessToken], bool], reason: Callable[[], AgentError]) -> int:
        """Ends the runs of callers that match, as `end` does, and their readers. Returns how many runs ended.
        Others may start.
        """
        for reader in [reader for reader, caller in self.readers.counted.items() if callers(caller)]:
            reader.end(reason())
        ended = [run for run, caller in self.limit.counted.items() if callers(caller)]
        for run in ended:
            run.end(reason())
        return len(ended)

    @property
    def is_idle(self) -> bool:
        """Whether no run is in progress."""
        return not self.limit.counted

    async def ended(self) -> None:
        """Waits until no run is left. Ends none."""
        while running := self.limit.counted:
            await asyncio.wait([run.task for run in running])
