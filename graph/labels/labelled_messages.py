"""The labels that a result carries itself, so that they are where it is kept, in whatever store.

An application's graph keeps its messages where it likes. In the agent's own conversations labels are kept
beside the messages, and these are not stored.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from langchain_core.messages import BaseMessage

from graph.labels.data_labels import KEPT
from tools.approval_policy import DataLabels

_LABELS: Final = "labels"

Message = TypeVar("Message", bound=BaseMessage)


def with_labels(message: Message, labels: DataLabels) -> Message:
    """`message`, which carries `labels`: for each tool, what its result has."""
    carried = {**message.additional_kwargs, _LABELS: dict(labels)}
    return message.model_copy(update={"additional_kwargs": carried})


def labels_carried(message: BaseMessage) -> dict[str, str]:
    """The labels of `with_labels`: known words alone, whoever has written the message."""
    carried = message.additional_kwargs.get(_LABELS)
    if not isinstance(carried, Mapping):
        return {}
    labels = {str(tool): KEPT.intersection(str(words).split()) for tool, words in carried.items()}
    return {tool: " ".join(sorted(words)) for tool, words in labels.items() if words}
