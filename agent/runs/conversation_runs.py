"""Runs of conversations: started, answered, continued, cancelled and followed by the owner of a thread."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage

from agent.conversations.owned_thread import OwnedThread, RunKey, ThreadOwner
from agent.conversations.run_transcript import NOT_APPROVED, WITHDRAWN, calls_made, without_unfinished
from agent.conversations.thread import MessageStoredError, StoredMessage, Thread
from agent.conversations.threads import BegunRun, ThreadStore
from agent.errors.error_codes import AgentCode
from agent.runs.drafts import Drafts
from agent.runs.heartbeat import Heartbeat, end_run_elsewhere
from agent.runs.live_run import KEPT_SECONDS, LiveRun, LiveRuns
from agent.runs.paused_run import PausedRun, answered_before, check_open
from agent.runs.relay import Relay
from agent.runs.run import Paused, Run, RunReader
from agent.runs.run_parts import RunParts, RunRequest, RunStart
from agent.runs.runs import Runs
from agent.runs.stored_ends import StoredEnds
from agent.runs.stored_run import StoredRun
from agent.runs.thread_run import ThreadRun
from graph.approvals.answer import require_signed_in
from graph.approvals.record import ApprovalState, ApprovalStatus, PendingApproval
from graph.authorship import by_program
from graph.error_codes import GraphCode
from graph.files import detached, file_parts
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import (
    ApprovalError,
    ConfigurationError,
    LimitError,
    ThreadBusyError,
    ThreadNotFoundError,
    UnavailableError,
)
from identity.principal import Principal

_DECIDED: Final = (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED)
_PAGE: Final = 200


@dataclass(slots=True)
class Conversations:
    """The runs of threads. A thread has one run at a time, over all processes.

    Every method acts on the threads of one caller: another's raises `ThreadNotFoundError`, as one that
    does not exist does. Runs are started, counted, limited and ended by `runs`; the time in which one waits
    for an approval does not count. Methods raise also what the store raises. `relay` shares the runs of
    `live` with other processes.
    """

    parts: RunParts
    runs: Runs
    _: KW_ONLY
    live: LiveRuns = field(default_factory=LiveRuns)
    relay: Relay | None = None
    threads: ThreadStore = field(init=False)
    drafts: Drafts = field(init=False)
    ends: StoredEnds = field(init=False)
    heartbeat: Heartbeat = field(init=False)

    def __post_init__(self) -> None:
        self.threads = self.parts.threads
        self.drafts = Drafts(self.parts.threads)
        self.ends = StoredEnds(self.parts.threads, self.parts.process_id)
        self.heartbeat = Heartbeat(self.parts, self.live, self.drafts, self.ends)

    def start_tasks(self) -> None:
        """Starts the heartbeat, and listens to cancellations of other processes."""
        self.heartbeat.start()
        if self.relay is not None:
            self.relay.cancellations.start()

    async def start(
        self,
        caller: VerifiedAccessToken,
        thread_id: str,
        messages: Sequence[AnyMessage],
        *,
        streaming: bool,
        instructions: Sequence[SystemMessage] = (),
        requested: Sequence[object] = (),
        after_run: str | None = None,
    ) -> Run:
        """Runs the graph with the stored messages of the thread, and with `messages`, which are added.

        The thread is opened if there is none. `instructions` and the records `requested` (`Runs.start`) are
        for this run alone. With `after_run` it begins only if that is the latest run of the thread, judged in
        the transaction that begins it.

        Raises `MessageStoredError` for messages that the thread has, `ThreadBusyError` while a run is going
        on or after another one than `after_run`, `ApprovalError` while one waits, and what `Runs.check`
        raises; with `after_run`, `ThreadNotFoundError`.
        """
        messages, files = detached(messages)
        run = replace(self._run(caller, thread_id, streaming), requested=requested, files=files)

        async def begin() -> RunStart:
            try:
                begun = await self._begin_run(run, messages, await self._thread_after(run, after_run))
            except ApprovalError:
                await self._end_expired_pause(run)
                begun = await self._begin_run(run, messages, await self._thread_after(run, after_run))
            of_client = [by_program(instruction, "the client") for instruction in instructions]
            return RunStart(input={"messages": [*of_client, *begun.window, *messages]}, read=begun.read)

        return await self._started(run, begin)

    async def resume(
        self, caller: VerifiedAccessToken, thread_id: str, answers: Mapping[str, object], *, streaming: bool
    ) -> Run:
        """Continues the run that the thread waits with; `answers` are by the ids of approvals. What other
        persons have decided needs none: any answer continues the run, and changes nothing.

        Raises `ApprovalError`, and has changed nothing, unless every open approval has an answer in one of
        the forms of `graph.approvals.answer`, and nothing else is answered; `AccessTokenError` if the token
        has expired; and what `AnswerReader.read` raises.
        """
        require_signed_in(caller, self.parts.clock())
        principal = caller.principal
        paused = await PausedRun.of(self.parts, OwnedThread.of(caller, thread_id))
        if await self._others_decided(principal, paused):
            return await self._resumed(caller, paused, {}, streaming=streaming)
        await check_open(self.parts, principal, paused.thread, answers)
        await paused.check(answers, caller, self.parts.answers)
        return await self._resumed(caller, paused, answers, streaming=streaming)

    async def _resumed(
        self,
        caller: VerifiedAccessToken,
        paused: PausedRun,
        answers: Mapping[str, object],
        *,
        streaming: bool,
    ) -> Run:
        thread = paused.thread
        run = self._run(caller, thread.id, streaming, thread.run_id)

        async def begin() -> RunStart:
            try:
                begun = await self._begin_run(run, unchanged=thread)
            except ThreadBusyError:
                raise answered_before() from None
            return RunStart(input=None, answers=answers, read=begun.read, earlier=paused.calls)

        return await self._started(run, begin)

    async def continue_(self, caller: VerifiedAccessToken, thread_id: str, *, streaming: bool) -> Run:
        """Responds to the latest message, after a run that failed, was cut off, or waited too long. Continues
        a run that waited for other persons, who have decided.

        Raises as `start` does, and `ThreadBusyError` if the last run has ended as it should. If several
        requests come at the same time, one is served.
        """
        run = self._run(caller, thread_id, streaming)
        paused = await PausedRun.of(self.parts, run.key.thread)
        if await self._others_decided(caller.principal, paused):
            return await self._resumed(caller, paused, {}, streaming=streaming)

        async def begin() -> RunStart:
            thread = await self.threads.get(run.key.thread)
            if thread.status == "paused":
                thread = await self._end_expired_pause(run)
            elif thread.status not in ("interrupted", "failed", "running"):
                raise ThreadBusyError(AgentCode.NOTHING_TO_CONTINUE, f"the thread is {thread.status}")
            elif thread.status != "running":  # it may have been cut off when it had asked
                await self.parts.approvals.withdraw(caller.principal, thread_id, self.parts.clock())
            begun = await self._begin_run(run, unchanged=thread)
            return RunStart(input={"messages": without_unfinished(begun.window)}, read=begun.read)

        return await self._started(run, begin)

    async def replace(
        self, caller: VerifiedAccessToken, thread_id: str, message_id: str, messages: Sequence[HumanMessage]
    ) -> Run:
        """Answers `messages` in place of a question and of all that follows it, which stays stored as another
        version; without `messages`, the same question. The model does not read it any more, but learns which
        calls were made: nothing of them is undone. Other words without images keep those of the question.

        Raises as `start` does, and `ThreadBusyError` (`question_replaced`) if the message is not a question
        of the conversation as it is shown. If several requests come at the same time, one is served.
        """
        asked_anew, files = detached(messages)
        run = replace(self._run(caller, thread_id, streaming=True), files=files)

        async def begin() -> RunStart:
            thread = await self.threads.get(run.key.thread)
            if thread.status == "paused":
                thread = await self._end_expired_pause(run)
            replaced = await self._since(run.key.thread, message_id)
            if not replaced or not isinstance(question := replaced[0].message, HumanMessage):
                raise ThreadBusyError(AgentCode.QUESTION_REPLACED, "the message is no question of the thread")
            asked = asked_anew or [question.model_copy(update={"id": uuid.uuid4().hex})]
            if asked_anew and not files and (images := file_parts(question)):
                content: list[Any] = [{"type": "text", "text": asked[0].text}, *images]
                asked = [asked[0].model_copy(update={"content": content}), *asked[1:]]
            begun = await self._begin_run(run, asked, thread, replaces=replaced[0].seq)
            calls = calls_made(stored.message for stored in replaced)
            return RunStart(input={"messages": [*calls, *begun.window, *asked]}, read=begun.read)

        return await self._started(run, begin)

    async def cancel(self, caller: VerifiedAccessToken, thread_id: str, run_id: str | None = None) -> bool:
        """Ends the run of the thread, also one that waits for an approval; false if there is none, or if it
        is another one than `run_id`.

        When this returns, the run has ended, in the process that executes it too. If that process cannot be
        reached, the run ends there within a few seconds, and can write nothing into the thread from now on.
        """
        owned = OwnedThread.of(caller, thread_id)
        thread = await self.threads.get(owned)
        live = self.live.running(owned)
        current_id = live.id if live else thread.run_id
        if run_id not in (None, current_id):
            return False
        if live:
            live.cancel()
            await asyncio.wait([live.task])
            return True
        if thread.status == "running" and self.relay is not None:
            if await self.relay.cancel(owned.owner, thread):
                return True
            thread = await self.threads.get(owned)
        if thread.status in ("paused", "running") and run_id in (None, thread.run_id):
            return await end_run_elsewhere(self.parts, caller, thread, WITHDRAWN)
        return False

    async def follow(
        self, caller: VerifiedAccessToken, thread_id: str, after: str | None = None
    ) -> RunReader | None:
        """Reads the latest run of the thread from its beginning, in whichever process it is.

        `after` is the id of an event that the client has received. `None` if that is the end of the run, or
        if a client without one follows a run that ended more than a minute ago. Raises `LimitError` if the
        caller follows too many runs; its reader raises that error if events were lost.
        """
        run = await self._latest_run(OwnedThread.of(caller, thread_id), after)
        if run is None or 0 < run.position_of(after) == run.end_position:
            return None
        reader = run.events()
        reader.complete = partial(self._completed, caller, thread_id)
        self.runs.admit(reader, caller)
        return reader

    async def _latest_run(self, thread: OwnedThread, after: str | None) -> Run | None:
        """The latest run of the thread. Add a reader next."""
        if StoredRun.made(after):
            stored = await self._stored_run(thread, after)
            if stored is not None and stored.position_of(after):
                return stored
        return await self._shared_run(thread) or await self._stored_run(thread, after)

    async def _shared_run(self, owned: OwnedThread) -> Run | None:
        """The latest run of the thread, here or in Redis, if it is kept there from its beginning: a reader
        could not understand its later events without the first ones.
        """
        before = self.live.latest(owned)
        had_ended = before is not None and before.outcome is not None
        thread = await self.threads.get(owned)
        run = self.live.latest(owned)
        if run is not None:  # another process may have gone on with the thread, after it or after its pause
            went_on = had_ended and isinstance(run.outcome, Paused) and thread.status != "paused"
            if run is not before or (thread.run_id == run.id and not went_on):
                return run if run.is_whole else None
        if self.relay is None:
            return None
        relayed = await self.relay.runs.open(owned.owner, thread)
        if relayed is None or not relayed.is_whole:
            return None
        self.relay.runs.follow(relayed)
        return relayed

    async def _stored_run(self, owned: OwnedThread, after: str | None) -> StoredRun | None:
        """The latest run of the thread as it is stored, which is less than it has shown; `None` if there is
        none, or if it ended more than a minute ago and the client has seen no event.
        """
        thread = await self.threads.get(owned)
        if thread.run_id is None:
            return None
        stored = StoredRun(self.threads, owned, thread.run_id)
        await stored.read()
        if after is None and stored.ended_at is not None:
            has_just_ended = self.parts.clock() - stored.ended_at < KEPT_SECONDS
            return stored if has_just_ended else None
        return stored

    async def _completed(self, caller: VerifiedAccessToken, thread_id: str, end: Paused) -> Paused:
        """`end` with what the thread waits for, as `caller` sees it."""
        paused = await PausedRun.of(self.parts, OwnedThread.of(caller, thread_id))
        if not paused.waiting:
            raise LimitError(AgentCode.EVENTS_LOST, "the run waits no more")
        response = next((message for message in paused.calls if isinstance(message, AIMessage)), None)
        return Paused(await self.parts.shown(paused.waiting, caller), end.usage, response)

    async def pending(self, caller: VerifiedAccessToken, thread_id: str) -> list[PendingApproval]:
        """The approvals that the thread waits for, and that can still be given."""
        paused = await PausedRun.of(self.parts, OwnedThread.of(caller, thread_id))
        now = self.parts.clock()
        in_time = [pending for pending in paused.waiting if pending.request.expires_at > now]
        return list(await self.parts.shown(in_time, caller))

    async def _others_decided(self, principal: Principal, paused: PausedRun) -> bool:
        """Whether the run waited for other persons only, and all have decided in time."""
        ids = [pending.request.id for pending in paused.waiting if pending.request.approvers]
        now = self.parts.clock()
        if not ids or len(ids) < len(paused.waiting):
            return False
        states = await self.parts.approvals.find(ids, principal)
        decided = [state for state in states if state.status_at(now) in _DECIDED]
        return len(decided) == len(ids)

    async def require_open(
        self, caller: VerifiedAccessToken, thread_id: str, approval_id: str | None = None
    ) -> None:
        """Raises `ApprovalError` with the reason why the approval, or the latest, cannot be answered."""
        thread = await self.threads.get(OwnedThread.of(caller, thread_id))
        if approval_id is None:
            latest = await self.parts.approvals.latest(caller.principal, thread_id)
            approval_id = "" if latest is None else latest.request.id
        await check_open(self.parts, caller.principal, thread, [approval_id])

    async def approvals_of(self, caller: VerifiedAccessToken, thread_id: str) -> Sequence[ApprovalState]:
        """The questions to the caller in the thread, in any status, the oldest first."""
        return await self.parts.approvals.of_thread(caller.principal, thread_id)

    async def open_approvals(self, principal: Principal) -> list[ApprovalState]:
        """The approvals of all threads of `principal` that can still be given."""
        now = self.parts.clock()
        states = await self.parts.approvals.pending(principal)
        return [state for state in states if state.status_at(now) is ApprovalStatus.OPEN]

    async def delete(self, caller: VerifiedAccessToken, thread_id: str) -> None:
        """Ends the run of the thread, and deletes it (`ThreadStore.delete`), also if it cannot be read."""
        with _unreadable_ignored():
            await self.cancel(caller, thread_id)
        await self.threads.delete(OwnedThread.of(caller, thread_id))
        await self._forget(OwnedThread.of(caller, thread_id))

    async def delete_only_run(self, caller: VerifiedAccessToken, thread_id: str, run_id: str) -> bool:
        """Ends the run, and deletes its thread. False, and nothing is changed, if the thread has another run;
        if one begins meanwhile, the run may have ended, and nothing is deleted.
        """
        run = RunKey(OwnedThread.of(caller, thread_id), run_id)
        if not await self.threads.runs.is_only(run):
            return False
        await self.cancel(caller, thread_id, run_id)
        if not await self.threads.delete_only_run(run):
            return False
        await self._forget(run.thread)
        return True

    async def _forget(self, thread: OwnedThread) -> None:
        """Ends what has begun in the thread while it was deleted, and forgets its events everywhere."""
        begun_meanwhile = self.live.latest(thread)
        if begun_meanwhile is not None:
            await self._end_here([begun_meanwhile])
        self.ends.forget(thread)
        if self.relay is not None:
            await self.relay.forget(thread.owner, thread.id)

    async def delete_all(self, caller: VerifiedAccessToken) -> int:
        """Ends the runs of all threads of the caller, and deletes them; how many.

        Runs of other processes end there within a few seconds.
        """
        owner = ThreadOwner.of(caller)
        principal = caller.principal
        if self.relay is not None:
            await self.relay.cancellations.send(owner)
        await self._end_here(self.live.of_owner(owner.digest))
        with _unreadable_ignored():
            for state in await self.parts.approvals.pending(principal):
                await self.parts.approvals.withdraw(principal, state.request.thread_id, self.parts.clock())
        deleted = await self.threads.delete_all(owner)
        begun_meanwhile = [live for live in self.live.of_owner(owner.digest) if await self._is_deleted(live)]
        await self._end_here(begun_meanwhile)
        self.ends.forget_all(owner)
        if self.relay is not None:
            await self.relay.forget(owner)
        return deleted

    async def _end_here(self, runs: Sequence[LiveRun]) -> None:
        """Ends runs of this process, and forgets their events."""
        for live in runs:
            live.cancel()
            await asyncio.wait([live.task])
            self.live.forget(live.key.thread)

    async def _is_deleted(self, live: LiveRun) -> bool:
        try:
            with _unreadable_ignored():
                await self.threads.get(live.key.thread)
        except ThreadNotFoundError:
            return True
        return False

    async def aclose(self) -> None:
        """Stops the tasks and the drafts. The runs have been ended before, by `Runs`."""
        await self.heartbeat.aclose()
        await self.drafts.aclose()
        if self.relay is not None:
            await self.relay.aclose()

    def _run(
        self, caller: VerifiedAccessToken, thread_id: str, streaming: bool, run_id: str | None = None
    ) -> RunRequest:
        key = RunKey(OwnedThread.of(caller, thread_id), run_id or uuid.uuid4().hex)
        return RunRequest(caller=caller, key=key, streaming=streaming)

    async def _started(self, run: RunRequest, begin: Callable[[], Awaitable[RunStart]]) -> LiveRun:
        async def begin_or_note() -> RunStart:
            self.live.begins(run.key.run_id)
            try:
                begun = await begin()
            except UnavailableError:
                self.live.note_unbegun(run.key.run_id)
                raise
            self.ends.forget(run.key.thread)
            return begun

        note = None if self.relay is None else self.relay.writer.note
        live = self.runs.run(
            ThreadRun(self.parts, run, begin_or_note, self.drafts, self.ends),
            run.caller,
            key=run.key,
            on_begin=self._began,
            on_change=note,
        )
        try:
            await live.begun()
        except BaseException:
            live.cancel()
            raise
        return live

    def _began(self, live: LiveRun) -> None:
        self.live.add(live)
        if self.relay is not None:
            self.relay.writer.begin(live)

    async def _begin_run(
        self,
        run: RunRequest,
        messages: Sequence[AnyMessage] = (),
        unchanged: Thread | None = None,
        replaces: int | None = None,
    ) -> BegunRun:
        """Raises what `ThreadStore.begin_run` does. A run that failed to begin here does not keep the thread
        busy, although it may have been stored.
        """
        begin = partial(
            self.threads.begin_run,
            run.key,
            self.parts.process_id,
            messages=messages,
            tokens=self.parts.window_tokens,
            replaces=replaces,
            files=run.files,
        )
        try:
            return await begin(unchanged=unchanged)
        except MessageStoredError:
            raise
        except ThreadBusyError:
            thread = await self.threads.get(run.key.thread)
            if thread.status != "running" or thread.run_id not in self.live.unbegun():
                raise
        await self.threads.processes.interrupt(self.parts.process_id, [thread.run_id])
        if unchanged is not None:
            unchanged = await self.threads.get(run.key.thread)
        return await begin(unchanged=unchanged)

    async def _since(self, thread: OwnedThread, message_id: str) -> list[StoredMessage]:
        """The message with this id, and what follows it; empty if the conversation does not have it."""
        messages: list[StoredMessage] = []
        before: int | None = None
        while page := await self.threads.messages(thread, before=before, limit=_PAGE):
            messages = page + messages
            before = messages[0].seq
            for number, stored in enumerate(page):
                if stored.message.id == message_id:
                    return messages[number:]
        return []

    async def _thread_after(self, run: RunRequest, after_run: str | None) -> Thread | None:
        """The thread as it is after this run, which is its latest. Raises `ThreadBusyError` after another."""
        if after_run is None:
            return None
        thread = await self.threads.get(run.key.thread)
        if thread.run_id != after_run:
            raise ThreadBusyError(AgentCode.THREAD_BUSY, "another run of the thread has begun since")
        return thread

    async def _end_expired_pause(self, run: RunRequest) -> Thread:
        """Ends the run that the thread waits with if no answer can come any more; the thread after that.

        Raises `ApprovalError` if an answer can come.
        """
        principal = run.caller.principal
        now = self.parts.clock()
        thread = await self.threads.get(run.key.thread)
        for state in await self.parts.approvals.pending(principal, thread.id):
            if state.status_at(now) is ApprovalStatus.OPEN:
                raise ApprovalError(GraphCode.APPROVAL_OPEN, f"approval {state.request.id} is open")
        if thread.status == "paused":
            await end_run_elsewhere(self.parts, run.caller, thread, NOT_APPROVED)
        return await self.threads.get(run.key.thread)


@contextmanager
def _unreadable_ignored() -> Iterator[None]:
    """A conversation that was changed outside the agent is refused, and can still be deleted."""
    try:
        yield
    except (ConfigurationError, UnavailableError) as error:
        if error.code is not AgentCode.CONVERSATION_UNREADABLE:
            raise
