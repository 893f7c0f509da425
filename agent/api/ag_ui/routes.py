"""`POST /ag-ui/agent`: one run in AG-UI's events, or an answer to an approval, or a look at a conversation.

The response begins with the run's first words, so that a refused credential or an unreachable model has its
own status.
"""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from fastapi import APIRouter, Request
from langchain_core.messages import AnyMessage, HumanMessage
from starlette.responses import Response
from starlette.types import Receive

from agent.api.ag_ui.encoder import RunEncoder, encoded, followed
from agent.api.ag_ui.messages import conversation, user_message
from agent.api.ag_ui.resume import answers_in
from agent.api.ag_ui.run_input import AssistantInput, InputMessage, RunAgentInput, UserInput, read_run_input
from agent.api.direct_route import DirectRoute
from agent.api.disconnect import while_connected
from agent.api.event_stream import EventStream, server_sent
from agent.api.messages import require_few
from agent.api.openapi_document import EVENTS
from agent.api.response_models import documented_body
from agent.api.surface import Surface
from agent.composition.agent import Agent
from agent.conversations.owned_thread import OwnedThread
from agent.conversations.thread import MessageStoredError, is_thread_id
from agent.errors.error_response import RequestError
from agent.http.authentication import caller_of
from agent.runs.chats import Chats
from agent.runs.conversation_runs import Conversations
from agent.runs.run import Paused, RunReader
from agent.settings.settings import Settings
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ThreadNotFoundError

MAX_SNAPSHOT: Final = 1_000
"""Messages of a conversation that is sent whole, if they are not too large (`PAGE_BYTES`). Of a longer one no
snapshot is sent: a part would delete the rest of what the client has."""

_RECENT: Final = 40
_MOST_RECENT: Final = 200


@dataclass(frozen=True, slots=True)
class AgUiEndpoint:
    """Responds to requests on conversations. Another principal's conversation is absent."""

    chats: Chats
    settings: Settings

    @property
    def conversations(self) -> Conversations:
        """The conversations, which are stored."""
        return self.chats.stored

    async def response(
        self, run_input: RunAgentInput, caller: VerifiedAccessToken, receive: Receive
    ) -> Response:
        """The events of a run, or of the conversation if the request adds nothing to it.

        Raises `RequestError`, and what `Conversations` raises.
        """
        if not is_thread_id(run_input.thread_id):
            raise RequestError("threadId", "must have 1 to 64 letters, digits, - and _")
        reader = await self._begun(run_input, caller, keep=_keeps_run(run_input))
        if reader is None:
            return await self._shown(run_input, caller)
        run = reader.run
        await while_connected(reader.first(), receive, reader.leave)
        encoder = self._encoder(run_input, run.announced, run.id)
        whole = partial(self._whole, run.key.thread)
        return EventStream(encoded(encoder, reader, whole), reader.leave)

    async def _begun(
        self, run_input: RunAgentInput, caller: VerifiedAccessToken, *, keep: bool
    ) -> RunReader | None:
        """The run that the request starts or continues; `None` if it does neither."""
        thread_id = run_input.thread_id
        if answers := answers_in(run_input):
            pending = await self.conversations.pending(caller, thread_id) if answers.unnamed else []
            if answers.unnamed and not pending:
                await self.conversations.require_open(caller, thread_id)
            named = answers.named(pending)
            run = await self.conversations.resume(caller, thread_id, named, streaming=True)
            return run.events(keep=keep)
        most = self.settings.max_messages
        most_images = self.settings.llm_images
        questions = last_questions(run_input.messages, most=most, most_images=most_images)
        if not questions:
            return None
        recent = await self._recent(caller, thread_id)
        recent_ids = {message.id for message in recent}
        new = [question for question in questions if question.id not in recent_ids]
        if (anew := await self._edited_question(run_input, caller, recent, new)) is not None:
            run = await self.conversations.replace(caller, thread_id, str(anew.id), new or [anew])
            return run.events(keep=keep)
        if new:
            with suppress(MessageStoredError):  # a request that was sent again meanwhile
                return await self.chats.begin(caller, new, thread_id, streaming=True, keep=keep)
        thread = await self.conversations.threads.get(OwnedThread.of(caller, thread_id))
        if thread.status in ("failed", "interrupted"):
            run = await self.conversations.continue_(caller, thread_id, streaming=True)
            return run.events(keep=keep)
        return None

    async def _edited_question(
        self,
        run_input: RunAgentInput,
        caller: VerifiedAccessToken,
        recent: Sequence[AnyMessage],
        new: Sequence[HumanMessage],
    ) -> HumanMessage | None:
        """The question in place of which the request asks, if its client has removed the messages after it.

        It has if its state is that after the latest run: it has seen the messages that it does not send.
        """
        run = run_input.state.get("run") if isinstance(run_input.state, dict) else None
        sent_ids = {message.id for message in run_input.messages}
        places = [number for number, message in enumerate(recent) if message.id in sent_ids]
        if run is None or not recent or not (places or len(recent) < _RECENT):
            return None
        last = places[-1] if places else -1
        later = recent[last + 1 :]
        asked_again = recent[last : last + 1] if later else []
        candidates = later if new else asked_again
        anew = next((message for message in candidates if isinstance(message, HumanMessage)), None)
        if anew is None:
            return None
        thread = await self.conversations.threads.get(OwnedThread.of(caller, run_input.thread_id))
        return anew if (thread.run_id, thread.status) == (run, "idle") else None

    async def _recent(self, caller: VerifiedAccessToken, thread_id: str) -> list[AnyMessage]:
        """The latest messages. The last question is among them, unless its run made very many calls."""
        thread = OwnedThread.of(caller, thread_id)
        recent = list[AnyMessage]()
        with suppress(ThreadNotFoundError):
            for limit in (_RECENT, _MOST_RECENT):
                latest = await self.conversations.threads.messages(thread, limit=limit)
                recent = [stored.message for stored in latest]
                if len(recent) < limit or any(isinstance(message, HumanMessage) for message in recent):
                    break
        return recent

    async def _shown(self, run_input: RunAgentInput, caller: VerifiedAccessToken) -> Response:
        """The run that is going on, or the conversation and what it waits for. Nothing is executed."""
        owned = OwnedThread.of(caller, run_input.thread_id)
        thread = await self.conversations.threads.get(owned)
        if thread.status == "running":
            model = self.settings.llm_model
            following = await followed(self.conversations, caller, run_input.thread_id, None, model=model)
            if following is not None:
                return following
        pending = await self.conversations.pending(caller, run_input.thread_id)
        messages = await self._whole(owned)
        encoder = self._encoder(run_input, (), thread.run_id)
        if pending:
            events = encoder.paused_before(Paused(tuple(pending)), messages)
        else:
            events = encoder.unchanged(messages, thread.status)
        return Response(server_sent([*encoder.started(), *events]), media_type="text/event-stream")

    async def _whole(self, thread: OwnedThread) -> list[AnyMessage] | None:
        """All messages; `None` if they are too many."""
        newest = await self.conversations.threads.messages(thread, limit=MAX_SNAPSHOT)
        if newest and (first := newest[0].seq) > 1:
            before = await self.conversations.threads.messages(thread, before=first, limit=1)
            if before:
                return None
        return [stored.message for stored in newest]

    def _encoder(
        self, run_input: RunAgentInput, announced: Collection[str], latest: str | None
    ) -> RunEncoder:
        model = self.settings.llm_model
        return RunEncoder(
            run_input.thread_id, run_input.run_id, model=model, announced=announced, latest=latest
        )


def _keeps_run(run_input: RunAgentInput) -> bool:
    """Whether the run goes on when the client disconnects. Raises `RequestError`."""
    wanted = run_input.forwarded("on_disconnect", "cancel")
    if wanted not in ("cancel", "continue"):
        raise RequestError("forwardedProps.on_disconnect", 'expected "cancel" or "continue"')
    return bool(wanted == "continue")


def last_questions(
    messages: Sequence[InputMessage], *, most: int, most_images: int = 0
) -> list[HumanMessage]:
    """The messages of the user after the last one of the assistant, in order. Other roles are skipped.

    Clients send all messages that they have; only these can be new to the conversation.

    Raises `RequestError` if there are more than `most`, and as `user_message` does.
    """
    answered = [index for index, message in enumerate(messages) if isinstance(message, AssistantInput)]
    first = answered[-1] + 1 if answered else 0
    new = enumerate(messages[first:], first)
    questions = [
        user_message(message, index, most_images) for index, message in new if isinstance(message, UserInput)
    ]
    require_few(questions, most, "new messages")
    return questions


def ag_ui_routes(composed: Agent) -> APIRouter:
    """The route. If no conversations are stored, the client's messages are the conversation, and no call is
    approved.
    """
    settings = composed.settings
    chats = composed.chats
    threads = None if chats.conversations is None else AgUiEndpoint(chats, settings)
    router = APIRouter(prefix="/ag-ui", route_class=DirectRoute)

    @router.post(
        "/agent",
        response_class=Response,
        responses={200: {"description": "AG-UI's events.", "content": {"text/event-stream": EVENTS}}},
        openapi_extra=documented_body(RunAgentInput),
    )
    async def agent(request: Request) -> Response:
        """Continues a conversation, as a stream of AG-UI's events.

        Errors before the first byte have a status.
        """
        run_input = read_run_input(await request.body())
        caller = caller_of(request.scope)
        if threads is not None:
            return await threads.response(run_input, caller, request.receive)
        if answers_in(run_input) is not None:
            name = "resume" if run_input.resume else "forwardedProps.command.resume"
            raise RequestError(name, "no approval waits for an answer", code="unsupported_value")
        most = settings.max_messages
        most_images = settings.llm_images
        messages = conversation(run_input.messages, most=most, most_images=most_images)
        run = await chats.begin(caller, messages, None, streaming=True, steps=True)
        await while_connected(run.first(), request.receive, run.leave)
        encoder = RunEncoder(run_input.thread_id, run_input.run_id, model=settings.llm_model)
        return EventStream(encoded(encoder, run), run.leave)

    return router


AG_UI: Final = Surface(name="ag-ui", routes=ag_ui_routes, starts_run=lambda path: path == "/ag-ui/agent")
