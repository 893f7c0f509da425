"""The beginning of a chat, which all surfaces share: new messages of a caller start a run.

    await chats.begin(caller, [question], "thread-1", streaming=True)   # in a conversation of the caller
    await chats.begin(caller, messages, None, streaming=True)           # without one

A client may send a message again, because it has lost the response. A conversation takes a message once.
"""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.messages import AnyMessage, SystemMessage

from agent.conversations.owned_thread import OwnedThread
from agent.conversations.thread import MessageStoredError
from agent.runs.conversation_runs import Conversations
from agent.runs.run import RunReader
from agent.runs.runs import Runs
from graph.answer_form import AnswerForm
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import LimitError, ThreadNotFoundError, UnavailableError

_RECENT: Final = 40
"""The messages among which one that was sent before is recognized while its caller may start no run."""


class NotStoredError(Exception):
    """A request names a conversation, and the agent stores none. Each surface has its own words for it."""


class FormNotTakenError(Exception):
    """A request names a form of the answer, which the graph of an application would not know. Each surface
    has its own name for it.
    """


@dataclass(frozen=True, slots=True)
class Chats:
    """Starts runs: without `conversations`, the agent stores none, and all runs are without one. With
    `takes_forms`, its graph gives answers in the form that a request names.
    """

    runs: Runs
    conversations: Conversations | None
    takes_forms: bool = True

    @property
    def stored(self) -> Conversations:
        """The conversations. Raises `NotStoredError`."""
        if self.conversations is None:
            raise NotStoredError
        return self.conversations

    async def begin(
        self,
        caller: VerifiedAccessToken,
        messages: Sequence[AnyMessage],
        thread_id: str | None,
        *,
        streaming: bool,
        keep: bool = True,
        steps: bool = False,
        instructions: Sequence[SystemMessage] = (),
        requested: Sequence[object] = (),
        after_run: str | None = None,
    ) -> RunReader:
        """The run that `messages` begin in the caller's conversation `thread_id`, which is opened if there is
        none; with `None`, the run of these messages alone, which stores nothing and ends with its reader.

        `keep`, `instructions`, `after_run` and `steps` are as in `Run.events`, `Conversations.start` and
        `Runs.start`; runs of conversations have steps always, others no instructions. `requested` are records
        beside the run, as in `Runs.start`.

        Raises `NotStoredError`; `FormNotTakenError`; `MessageStoredError` if the conversation has all of the
        messages, by their ids, also if the caller may start no run now; and what `Conversations.start` and
        `Runs.start` raise. Of some that it has, the others begin the run.
        """
        if not self.takes_forms and any(isinstance(record, AnswerForm) for record in requested):
            raise FormNotTakenError
        if thread_id is None:
            return self.runs.start(messages, caller, streaming=streaming, steps=steps, requested=requested)
        new = list(messages)
        earlier: dict[str, str] = {}
        while True:
            try:
                run = await self.stored.start(
                    caller,
                    thread_id,
                    new,
                    streaming=streaming,
                    instructions=instructions,
                    requested=requested,
                    after_run=after_run,
                )
            except MessageStoredError as error:
                earlier |= error.runs
                new = [message for message in new if message.id not in error.runs]
                if not new:
                    raise MessageStoredError(earlier) from None
            except (LimitError, UnavailableError):
                earlier |= await self._recent_runs(OwnedThread.of(caller, thread_id), new)
                if all(message.id in earlier for message in new):
                    raise MessageStoredError(earlier) from None
                raise
            else:
                return run.events(keep=keep)

    async def _recent_runs(self, thread: OwnedThread, messages: Sequence[AnyMessage]) -> Mapping[str, str]:
        """The runs that began with `messages`, by their ids, as far as these are among the latest."""
        run_of: dict[str | None, str] = {}
        with contextlib.suppress(ThreadNotFoundError):
            for latest in await self.stored.threads.messages(thread, limit=_RECENT):
                run_of[latest.message.id] = latest.run_id
        return {str(message.id): run_of[message.id] for message in messages if message.id in run_of}
