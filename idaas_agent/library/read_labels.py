"""What a conversation of somebody's graph has read: its labels count for later calls (`graph.labels`).

They follow from the results in its messages, and from what this process has seen of its thread: there they
stay when messages are removed, and count for sub-agents, whose conversations have the same thread.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from cachetools import LRUCache
from langchain_core.messages import AnyMessage

from graph.labels.data_labels import CLIENT, joined
from idaas_agent.library.place import Place, results_in
from tools.approval_policy import Trust

_THREADS: Final = 10_000


class ReadLabels:
    """Those of one process."""

    def __init__(self) -> None:
        self._of_tools: dict[str, Mapping[str, str]] = {}
        self._of_threads: LRUCache[str, dict[str, str]] = LRUCache(_THREADS)

    @property
    def unseen(self) -> dict[str, str]:
        """The labels of what the program of a client wrote: it may have whatever the tools return."""
        of_tools = " ".join(labels for tool in self._of_tools.values() for labels in tool.values())
        return joined({CLIENT: Trust.UNTRUSTED.value}, {CLIENT: of_tools})

    def declare(self, tool: str, labels: Mapping[str, str]) -> None:
        """A result of `tool` has `labels`, besides those of other tools of its name."""
        if labels:
            self._of_tools[tool] = joined(self._of_tools.get(tool, {}), labels)

    def of(self, place: Place) -> dict[str, str]:
        """The labels at a place: one object for a thread, or a server's run, to which more may be added."""
        read = place.labels
        if read is None:
            thread = place.thread
            read = {} if thread is None else self._of_threads.setdefault(thread, {})
        read.update(joined(read, self._in(place.messages)))
        return read

    def _in(self, messages: Sequence[AnyMessage]) -> dict[str, str]:
        if not self._of_tools:
            return {}
        labels: dict[str, str] = {}
        for tool in results_in(messages) & self._of_tools.keys():
            labels = joined(labels, self._of_tools[tool])
        return labels
