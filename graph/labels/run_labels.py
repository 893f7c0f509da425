"""The labels that a run adds to its conversation, beside its context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AnyMessage, HumanMessage
from langgraph.runtime import Runtime

from graph.answer_form import AnswerForm
from graph.authorship import program_of
from graph.context import AgentContext, context_of, conversation_of
from graph.labels.data_labels import joined
from tools.approval_policy import DataLabels


@dataclass(frozen=True, slots=True)
class RunLabels:
    """The labels of what earlier runs of the conversation have read. The run adds those of each call before
    it is made: if the run ends early, its conversation keeps them.
    """

    labels: dict[str, str] = field(default_factory=dict)


def labels_of_run(runtime: Runtime[AgentContext]) -> Mapping[str, str]:
    """The labels of what the conversation has read, as far as the context of the run says."""
    record = context_of(runtime).extensions.get(RunLabels)
    return {} if record is None else record.labels


def begin_labels(
    unseen: DataLabels, messages: Sequence[AnyMessage], runtime: Runtime[AgentContext]
) -> dict[str, Any]:
    """The labels at the beginning of a run: those of earlier runs of its conversation. What the program of a
    client wrote has been read, with the labels `unseen`; so has the schema that it requests, whose
    descriptions are instructions.
    """
    is_kept = conversation_of(runtime) is not None
    form = context_of(runtime).extensions.get(AnswerForm)
    has_schema = form is not None and form.has_schema
    has_read = has_schema or any(is_of_client(message, is_kept=is_kept) for message in messages)
    of_client = unseen if has_read else {}
    note_labels(runtime, of_client)
    return {"read": joined(labels_of_run(runtime), of_client)}


def is_of_client(message: AnyMessage, *, is_kept: bool) -> bool:
    """Whether the client's program wrote a message. In a conversation that is not kept, it sends also what
    the agent is said to have answered.
    """
    return program_of(message) is not None or not (is_kept or isinstance(message, HumanMessage))


def note_labels(runtime: Runtime[AgentContext], labels: DataLabels) -> None:
    """The run is about to read what has `labels`."""
    record = context_of(runtime).extensions.get(RunLabels) if labels else None
    if record is not None:
        record.labels.update(joined(record.labels, labels))
