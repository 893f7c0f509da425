"""Where a tool is called in somebody's graph: the thread and the task, as LangGraph's configuration says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.runtime import Runtime

from graph.authorship import by_program
from graph.context import AgentContext, Conversation
from graph.langgraph_internals import (
    CONFIG_KEY_CHECKPOINT_NS,
    CONFIG_KEY_CHECKPOINTER,
    CONFIG_KEY_READ,
    CONFIG_KEY_RUNTIME,
    CONFIG_KEY_SCRATCHPAD,
    CONFIG_KEY_TASK_ID,
    CONFIG_KEY_THREAD_ID,
    INTERRUPT,
    RESUME,
)
from idaas_agent.library.hosting import run_of
from idaas_agent.library.shown_calls import shown_id

_AGENT: Final = "agent"
"""Who wrote the question of a sub-agent."""


@dataclass(frozen=True, slots=True)
class Place:
    """`execution` is one object for each time that LangGraph runs the task: a task runs again, whole, when it
    is resumed. `None`: outside of a graph.

    `conversation` is `None` where nobody can be asked, because the state is not saved. A graph within a
    graph, such as a sub-agent, has a conversation of its own, in which the user has written nothing; under a
    server, that of its run.
    """

    conversation: Conversation | None
    task: str
    task_id: str
    execution: object | None
    runtime: Runtime[Any] | None
    messages: Sequence[AnyMessage]
    saved_in: tuple[str, str] = ("", "")
    """LangGraph's thread, and the namespace of the graph in it."""
    run: AgentContext | None = field(default=None, repr=False, compare=False)
    """The server's context of the run; `None`: no server runs the graph."""
    saver: BaseCheckpointSaver[Any] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, config: RunnableConfig) -> "Place":
        """The place of a call that has `config`."""
        configurable = config.get("configurable", {})
        runtime = configurable.get(CONFIG_KEY_RUNTIME)
        thread, task = configurable.get(CONFIG_KEY_THREAD_ID), configurable.get(CONFIG_KEY_CHECKPOINT_NS, "")
        outer = task.rpartition("|")[0]
        messages = _messages(configurable)
        if outer:
            messages = [_of_agent(message) for message in messages]
        saver = configurable.get(CONFIG_KEY_CHECKPOINTER)
        if not isinstance(saver, BaseCheckpointSaver):
            saver = None
        info = getattr(runtime, "execution_info", None)
        run = run_of(configurable)
        conversation = None
        if thread is not None and saver is not None:
            checkpoint = "" if info is None else info.checkpoint_id
            name = f"{thread}|{outer}" if outer else str(thread)
            conversation = Conversation(name, name, checkpoint)
            if run is not None:
                conversation = Conversation(run.thread_id or str(thread), str(thread), checkpoint)
        return cls(
            conversation=conversation,
            task=task,
            task_id=configurable.get(CONFIG_KEY_TASK_ID, ""),
            execution=configurable.get(CONFIG_KEY_SCRATCHPAD),
            runtime=runtime,
            messages=messages,
            saved_in=(str(thread), outer),
            run=run,
            saver=saver,
        )

    @property
    def thread(self) -> str | None:
        """The thread of the whole run, with those of its sub-agents."""
        return None if self.conversation is None else self.conversation.thread_id.partition("|")[0]

    @property
    def saved_at(self) -> RunnableConfig:
        """The checkpoint from which the task runs."""
        assert self.conversation is not None  # noqa: S101 - nothing is saved elsewhere
        thread, outer = self.saved_in
        place = {"thread_id": thread, "checkpoint_ns": outer, "checkpoint_id": self.conversation.checkpoint}
        return {"configurable": place}

    @property
    def has_answer(self) -> bool:
        """Whether LangGraph has an answer for the task."""
        answers = getattr(self.execution, "resume", None)
        next_answer = getattr(self.execution, "get_null_resume", None)
        return bool(answers) or (next_answer is not None and next_answer(False) is not None)

    async def waiting(self) -> tuple[Mapping[str, Any] | None, int]:
        """The question of ours with which the task waits, as LangGraph keeps and shows it, and how many
        answers came before. `None`: it waits for something else, or for nothing.
        """
        saved = None if self.saver is None else await self.saver.aget_tuple(self.saved_at)
        writes = () if saved is None else saved.pending_writes or ()
        interrupts: list[Any] = []
        answers: list[Any] = []
        for task, channel, value in writes:
            if task == self.task_id and channel == INTERRUPT:
                interrupts = list(value)
            if task == self.task_id and channel == RESUME:
                answers = value if isinstance(value, list) else [value]
        value = interrupts[-1].value if interrupts else None
        if not isinstance(value, Mapping) or "approvals" not in value:
            return None, len(answers)
        return value, len(answers)

    def known_as(self, call_id: str) -> tuple[str, str]:
        """The origin of a call, and its id beside that: some model servers give every call the same one. The
        origin is the message that has it, or else the task in which it is made. Under a server, its id is the
        one that is shown.
        """
        for message in reversed(self.messages):
            if not isinstance(message, AIMessage):
                continue
            if not message.id or not any(_has_id(call, message.id, call_id) for call in message.tool_calls):
                break
            shown = call_id if self.run is None else shown_id(message.id, call_id)
            return f"message {message.id}", shown
        return f"task {self.task}", call_id


def _has_id(call: ToolCall, message_id: str, call_id: str) -> bool:
    known = str(call["id"])
    return call_id == known or call_id == shown_id(message_id, known)


def results_in(messages: Sequence[AnyMessage]) -> set[str]:
    """The names of the tools that have returned something to a conversation."""
    names = {call["id"]: call["name"] for m in messages if isinstance(m, AIMessage) for call in m.tool_calls}
    results = [message for message in messages if isinstance(message, ToolMessage)]
    return {str(names.get(result.tool_call_id, result.name)) for result in results}


def _messages(configurable: Mapping[str, Any]) -> Sequence[AnyMessage]:
    """The messages in the state of the graph, as its channel `messages` has them before the step."""
    read = configurable.get(CONFIG_KEY_READ)
    if read is None:
        return ()
    try:
        found = read("messages")
    except KeyError:
        return ()
    return found if isinstance(found, list) else ()


def _of_agent(message: AnyMessage) -> AnyMessage:
    return by_program(message, _AGENT) if isinstance(message, HumanMessage) else message
