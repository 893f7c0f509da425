"""The context of a run: the caller's access token, and their answers to approvals.

Both enter by LangGraph's `Runtime.context`, which is never written to a checkpoint, a stream or a trace. So
an answer counts in the run in which its caller gave it, and in no later run of another caller.
"""

import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langgraph.runtime import Runtime
from langgraph.types import StreamWriter

from graph.extensions import NO_EXTENSIONS, Extensions
from identity.secrets.secret import Secret


@dataclass(frozen=True, slots=True)
class AgentContext:
    """The context of one run: `graph.astream(…, context=AgentContext(Secret(token)))`.

    With `streaming`, the model's response is requested in pieces, which are sent as events (`graph.events`).
    Without it, the response is requested whole. LangGraph's stream mode `messages` always shows pieces.
    With `steps`, events also name the nodes that the run visits, and the messages that the pieces belong to.
    """

    access_token: Secret | None = None
    streaming: bool = False
    steps: bool = False
    thread_id: str | None = None
    """The conversation, for approvals; `None`: LangGraph's `thread_id`."""
    answers: Mapping[str, object] = field(default_factory=dict)
    """Answers to approvals that this run's caller was asked for, by the ids of the approvals."""
    kept: bool = True
    """False: the run has a thread only by name, and ends with its response. It cannot pause."""
    raised: list[BaseException] = field(default_factory=list, repr=False, compare=False)
    """The errors that nodes have raised. See `release`."""
    writer: Callable[[Any], None] | None = field(default=None, repr=False, compare=False)
    """Receives the run's events at once; `None`: LangGraph's stream mode `custom`, at the price of two turns
    of the event loop for each."""
    extensions: Extensions = NO_EXTENSIONS
    """The records of features beside it: a requested call, labels, begun calls, files."""


def context_of(runtime: Runtime[AgentContext]) -> AgentContext:
    """The context of a run. A server's run has none: then an empty one, for this use alone."""
    return runtime.context if isinstance(runtime.context, AgentContext) else AgentContext()


def writer_of(runtime: Runtime[AgentContext]) -> StreamWriter:
    """Where the nodes of a run write its events."""
    return context_of(runtime).writer or runtime.stream_writer


def writer_of_consents(runtime: Runtime[AgentContext]) -> StreamWriter | None:
    """Where the URLs of consents are written; `None`: nowhere.

    Only a run that is not kept has one, and only if its events go straight to its caller: a run that is kept
    asks for the consent, and LangGraph's streams may be stored by the server that executes the run.
    """
    return context_of(runtime).writer if conversation_of(runtime) is None else None


TokenLookup: TypeAlias = Callable[[Runtime[AgentContext]], Secret | Awaitable[Secret | None] | None]
"""Finds the access token of a run's caller. A server whose runs have no context supplies its own, which may
raise `AccessTokenError`: with `sign_in_required`, the run pauses until its owner has signed in."""


def token_in_context(runtime: Runtime[AgentContext]) -> Secret | None:
    """The access token given as `context=`; `None` if there is none.

    Only a `Secret` is accepted: a string that a client supplied may have been logged or stored before.
    """
    token = context_of(runtime).access_token
    return token if isinstance(token, Secret) else None


def release(context: AgentContext) -> None:
    """Once a run has ended, so that it is freed at once: lets go of the frames that its errors have passed.

    LangGraph keeps the traceback of an error in a frame that this traceback has: a cycle, with all messages.
    """
    for raised in context.raised:
        traceback.clear_frames(raised.__traceback__)
    context.raised.clear()


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where a call is made: the thread that the person knows, and LangGraph's thread, which is the run."""

    thread_id: str
    run_id: str
    checkpoint: str = field(default="", compare=False)
    """The state in which the run is: that in which it paused, when it is resumed."""


def conversation_of(runtime: Runtime[AgentContext]) -> Conversation | None:
    """The conversation of a run; `None` if it has no thread, so that it is not saved and cannot be paused."""
    context = context_of(runtime)
    execution = runtime.execution_info
    if execution is None or execution.thread_id is None or not context.kept:
        return None
    run_id = execution.thread_id
    return Conversation(context.thread_id or run_id, run_id, execution.checkpoint_id)
