"""The labels of what a conversation of somebody's graph has read, for later calls (`graph.labels`).

They follow from the results in its messages, and from what this process has seen of its thread: there they
stay when messages are removed, and count for sub-agents, whose conversations have the same thread. A summary
of messages that are gone may have whatever the tools return, unless the thread itself keeps its labels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from cachetools import LRUCache
from langchain_core.messages import AnyMessage, ToolMessage

from graph.authorship import stands_for_others
from graph.context import AgentContext
from graph.labels.data_labels import CLIENT, joined, labels_of
from graph.labels.labelled_messages import labels_carried
from graph.labels.run_labels import RunLabels, is_of_client
from idaas_agent.library.place import Place, results_in
from tools.approval_policy import Trust
from tools.service import Service

_THREADS: Final = 10_000


class ReadLabels:
    """The labels that one process knows."""

    def __init__(self) -> None:
        self._of_tools: dict[str, Mapping[str, str]] = {}
        self._of_threads: LRUCache[str, RunLabels] = LRUCache(_THREADS)
        self._whole: LRUCache[str, bool] = LRUCache(_THREADS)
        """The conversations that keep their labels themselves: no summary in them hides one."""

    def declare(self, service: Service, tool: str) -> None:
        """A result of `tool` has the labels that `service` declares, besides those of other tools of its
        name.
        """
        labels = labels_of(service, tool)
        if labels:
            self._of_tools[tool] = joined(self._of_tools.get(tool, {}), labels)

    def noted_in(self, context: AgentContext) -> AgentContext:
        """The context of a server's run, with the record of what it reads, also if nothing is kept of it."""
        known = context.extensions.get(RunLabels) or RunLabels()
        return replace(context, extensions=context.extensions.having(known))

    def begin_run(self, context: AgentContext, messages: Sequence[AnyMessage], *, is_kept: bool) -> None:
        """A server's run begins with `messages`, in a conversation that is kept or not. What the program of a
        client wrote counts as read.
        """
        read = context.extensions.get(RunLabels)
        if read is not None and any(is_of_client(message, is_kept=is_kept) for message in messages):
            read.labels.update(joined(read.labels, self._unseen()))

    def of(self, place: Place) -> RunLabels:
        """The labels at a place: one record for a thread, or a server's run, to which more may be added."""
        read = self._known(place)
        read.labels.update(joined(read.labels, self._in(place.messages)))
        if not self._is_whole(place) and any(map(stands_for_others, place.messages)):
            read.labels.update(joined(read.labels, self._unseen()))
        return read

    def note(self, place: Place, labels: Mapping[str, str]) -> None:
        """Code at a place has read what has `labels`. Raises `RuntimeError` where nothing keeps them."""
        if place.thread is None and _of_server(place) is None:
            raise RuntimeError("a thread keeps labels: the graph needs a checkpointer and a thread_id")
        read = self.of(place)
        read.labels.update(joined(read.labels, labels))

    def restore(self, place: Place, kept: object) -> None:
        """The conversation at a place keeps all its labels in its own state: those of `kept`."""
        if place.conversation is not None and isinstance(kept, Mapping):
            read = self._known(place)
            read.labels.update(joined(read.labels, kept))
            self._whole[place.conversation.thread_id] = True

    def _known(self, place: Place) -> RunLabels:
        """The labels of what was read before, as far as the server's run, or this process, knows."""
        of_server = _of_server(place)
        if of_server is not None:
            return of_server
        if place.thread is None:
            return RunLabels()
        return self._of_threads.setdefault(place.thread, RunLabels())

    def _is_whole(self, place: Place) -> bool:
        """Whether no label is missing, although messages are."""
        if _of_server(place) is not None:
            return True
        return place.conversation is not None and place.conversation.thread_id in self._whole

    def _unseen(self) -> dict[str, str]:
        """The labels of what the program of a client wrote: it may have whatever the tools return."""
        of_tools = " ".join(labels for tool in self._of_tools.values() for labels in tool.values())
        return joined({CLIENT: Trust.UNTRUSTED.value}, {CLIENT: of_tools})

    def _in(self, messages: Sequence[AnyMessage]) -> dict[str, str]:
        """The labels of the results in `messages`: those that are declared, and those that they carry."""
        labels = self._declared_in(messages)
        for message in messages:
            if isinstance(message, ToolMessage) and (carried := labels_carried(message)):
                labels = joined(labels, carried)
        return labels

    def _declared_in(self, messages: Sequence[AnyMessage]) -> dict[str, str]:
        labels: dict[str, str] = {}
        if not self._of_tools:
            return labels
        for tool in results_in(messages) & self._of_tools.keys():
            labels = joined(labels, self._of_tools[tool])
        return labels


def _of_server(place: Place) -> RunLabels | None:
    """The labels of what the conversation of a server's run has read."""
    return None if place.run is None else place.run.extensions.get(RunLabels)
