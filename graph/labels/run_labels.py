"""The labels that a run adds to its conversation, beside its context."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from langgraph.runtime import Runtime

from graph.context import AgentContext, context_of
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


def note_labels(runtime: Runtime[AgentContext], labels: DataLabels) -> None:
    """The run is about to read what has `labels`."""
    record = context_of(runtime).extensions.get(RunLabels)
    if labels and record is not None:
        record.labels.update(joined(record.labels, labels))
