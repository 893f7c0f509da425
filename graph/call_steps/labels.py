"""The labels of what a call returns: from then on they count in its conversation (`graph.labels`)."""

from collections.abc import Mapping

from graph.call_steps.call import Call, Outcome, Proceed
from graph.labels.data_labels import joined, labels_of
from graph.labels.run_labels import note_labels


async def add_labels(call: Call, proceed: Proceed) -> Outcome:
    """Labels what was read. The run's context has the labels before the call is made: if the run ends during
    it, its conversation keeps them.
    """
    labels = labels_of(call.service, call.tool)
    note_labels(call.visit.runtime, labels)
    outcome = await proceed(call)
    if labels and call.result is not None and call.result.called:  # also an error: its text is the server's
        keep_labels(call, labels)
    return outcome


def keep_labels(call: Call, labels: Mapping[str, str]) -> None:
    """The state of the run has `labels` after the visit in which `call` was made."""
    call.update["read"] = joined(call.update.get("read"), labels)
