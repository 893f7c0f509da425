"""The labels of what a conversation has read: data that must not leave its service unasked.

A result that is `confidential`, `internal` or `untrusted` (`tools.approval_policy`) leaves its labels in the
conversation, before the model sees it. They are never removed: not by an edit, a shorter window or a new run;
another conversation has none. The model and the client cannot write them. What the program of a client wrote
counts as read, too: `unseen_in`.

Which calls could carry it elsewhere: `graph.labels.disclosure`.
"""

import re
from collections.abc import Iterable
from itertools import chain
from typing import Annotated, Final

from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from tools.approval_policy import Data, DataLabels, Trust
from tools.service import Service, data_in, data_of
from tools.service_name import service_of

CLIENT: Final = "client"
"""In place of a tool: the program that sent the messages."""

KEPT: Final = frozenset[str]({Data.CONFIDENTIAL, Data.INTERNAL, Trust.UNTRUSTED})
"""The labels of data that is held, or that may instruct the model."""
_BY_OTHERS: Final = (Trust.UNTRUSTED, Trust.UNTRUSTED_CONTENT)
_SOURCE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def joined(earlier: DataLabels | None, new: DataLabels) -> dict[str, str]:
    """Both: no label is lost."""
    labels = dict(earlier or {})
    for tool, added in new.items():
        labels[tool] = " ".join(sorted({*labels.get(tool, "").split(), *added.split()}))
    return labels


class LabelState(TypedDict, total=False):
    """The part of a run's state that is about labels."""

    read: Annotated[dict[str, str], joined]
    """The labels of what the conversation has read."""


def labels_of(service: Service, tool: str) -> dict[str, str]:
    """The labels of a result of `tool`: those of its policy, or of its service."""
    return labelled(f"{service_of(service.name)}.{tool}", data_of(service, tool), service.policy(tool).trust)


def labelled(source: str, data: Data, trust: Trust | None) -> dict[str, str]:
    """The labels of what was read from `source`."""
    labels: list[str] = [data] if data in KEPT else []
    if trust in _BY_OTHERS:
        labels.append(Trust.UNTRUSTED)
    return {source: " ".join(labels)} if labels else {}


def labelled_source(place: str, source: str, data: Data, trust: Trust) -> dict[str, str]:
    """The labels of what code at `place` has read from `source`, its own name for people.

    Raises `ValueError` for a source that is not of 1 to 64 letters, digits, `_` and `-`, and for other words.
    """
    if not _SOURCE.fullmatch(source):
        raise ValueError("a source must have 1 to 64 letters, digits, _ and -")
    return labelled(f"{place}.{source}", Data(data), Trust(trust))


def unseen_in(services: Iterable[Service]) -> dict[str, str]:
    """The labels of what the program of a client wrote: it may have whatever the tools return."""
    may_be = set(chain.from_iterable(map(data_in, services)))
    return {CLIENT: " ".join(sorted({Trust.UNTRUSTED, *may_be.intersection(KEPT)}))}


def labels_in(read: DataLabels) -> set[str]:
    """All labels of what was read."""
    return set(" ".join(read.values()).split())


def services_in(read: DataLabels, label: str | None = None) -> set[str]:
    """The services of what was read; with `label`, of what has it."""
    tools = (tool for tool, labels in read.items() if label in (None, *labels.split()))
    return {service_of(tool.partition(".")[0]) for tool in tools}


def shown(read: DataLabels) -> tuple[str, ...]:
    """For each tool its labels, as people see them."""
    return tuple(f"{tool}: {', '.join(labels.split())}" for tool, labels in sorted(read.items()))


def is_confidential(read: DataLabels) -> bool:
    """Whether anything confidential was read."""
    return Data.CONFIDENTIAL in labels_in(read)
