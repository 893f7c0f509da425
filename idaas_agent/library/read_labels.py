"""What a conversation of somebody's graph has read: its labels count for later calls (`graph.labels`).

They follow from the results in its messages, and from what this process has seen of its thread: there they
stay when messages are removed, and count for sub-agents, whose conversations have the same thread.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from cachetools import LRUCache
from langchain_core.messages import AnyMessage

from graph.authorship import program_of
from graph.context import AgentContext
from graph.labels.data_labels import CLIENT, joined, labels_of
from graph.labels.run_labels import RunLabels
from idaas_agent.library.place import Place, results_in
from tools.approval_policy import Trust
from tools.service import Service

_THREADS: Final = 10_000


class ReadLabels:
    """The labels that one process knows."""

    def __init__(self) -> None:
        self._of_tools: dict[str, Mapping[str, str]] = {}
        self._of_threads: LRUCache[str, RunLabels] = LRUCache(_THREADS)

    def declare(self, service: Service, tool: str) -> None:
        """A result of `tool` has the labels that `service` declares, besides those of other tools of its
        name.
        """
        labels = labels_of(service, tool)
        if labels:
            self._of_tools[tool] = joined(self._of_tools.get(tool, {}), labels)

    def begin_run(self, context: AgentContext, messages: Sequence[AnyMessage]) -> None:
        """A server's run begins with `messages`. What the program of a client wrote counts as read."""
        read = context.extensions.get(RunLabels)
        if read is not None and any(program_of(message) for message in messages):
            read.labels.update(joined(read.labels, self._unseen()))

    def of(self, place: Place) -> RunLabels:
        """The labels at a place: one record for a thread, or a server's run, to which more may be added."""
        read = None if place.run is None else place.run.extensions.get(RunLabels)
        if read is None:
            read = RunLabels()
            if place.thread is not None:
                read = self._of_threads.setdefault(place.thread, read)
        read.labels.update(joined(read.labels, self._in(place.messages)))
        return read

    def _unseen(self) -> dict[str, str]:
        """The labels of what the program of a client wrote: it may have whatever the tools return."""
        of_tools = " ".join(labels for tool in self._of_tools.values() for labels in tool.values())
        return joined({CLIENT: Trust.UNTRUSTED.value}, {CLIENT: of_tools})

    def _in(self, messages: Sequence[AnyMessage]) -> dict[str, str]:
        if not self._of_tools:
            return {}
        labels: dict[str, str] = {}
        for tool in results_in(messages) & self._of_tools.keys():
            labels = joined(labels, self._of_tools[tool])
        return labels
