"""The labels of what a call returns: from then on they count in its conversation (`graph.labels`)."""

from collections.abc import Iterable, Mapping

from graph.call_steps.call import Call, Outcome, Proceed
from graph.labels.data_labels import joined, labelled, labels_of
from graph.labels.run_labels import note_labels
from tools.result_labels import OfDocument, labels_of_documents


async def add_labels(call: Call, proceed: Proceed) -> Outcome:
    """Labels what was read, as it is declared and as the result says itself. The run's context has the
    declared labels before the call is made: if the run ends during it, its conversation keeps them.
    """
    declared = labels_of(call.service, call.tool)
    note_labels(call.visit.runtime, declared)
    with labels_of_documents() as of_documents:
        outcome = await proceed(call)
    labels = _with_documents(declared, of_documents, call.pending.name)
    note_labels(call.visit.runtime, labels)
    if labels and call.result is not None and call.result.called:  # also an error: its text is the server's
        keep_labels(call, labels)
    return outcome


def keep_labels(call: Call, labels: Mapping[str, str]) -> None:
    """The state of the run has `labels` after the visit in which `call` was made."""
    call.update["read"] = joined(call.update.get("read"), labels)


def _with_documents(
    declared: Mapping[str, str], of_documents: Iterable[OfDocument], source: str
) -> Mapping[str, str]:
    """The labels of a result of `source` that contains these documents."""
    labels = declared
    for data, trust in of_documents:
        labels = joined(labels, labelled(source, data, trust))
    return labels
