"""The labels of one result, beside those that are declared for its tool: those of a document in it.

They only add. A result is never less confidential, or more trusted, than what its tool is declared to return.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeAlias

from tools.approval_policy import Data, Trust

OfDocument: TypeAlias = tuple[Data, Trust]

_RESULTS: Final[ContextVar[tuple[list[OfDocument], ...]]] = ContextVar(
    "idaas_agent.result_labels", default=()
)


def label_result(*, data: Data = Data.UNLABELLED, trust: Trust = Trust.TRUSTED) -> None:
    """For a tool, during its call: the result has these labels, too, for the rest of the conversation.

    Call it once for each document in the result, before the result is returned. Elsewhere it does nothing.
    Raises `ValueError` for another word, such as a classification that the tool does not know: the call
    fails, and the model reads nothing of the document.
    """
    of_document = Data(data), Trust(trust)
    for labels in _RESULTS.get():
        labels.append(of_document)


@contextmanager
def labels_of_documents() -> Iterator[list[OfDocument]]:
    """The list to which each `label_result` in the block adds, as to those of the calls around it."""
    labels: list[OfDocument] = []
    token = _RESULTS.set((*_RESULTS.get(), labels))
    try:
        yield labels
    finally:
        _RESULTS.reset(token)
