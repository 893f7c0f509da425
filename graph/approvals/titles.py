"""The operator's titles on the cards of questions, in the language of the person who reads.

A title stands beside the name and never in its place: what is approved, stored and recorded has names alone.
Titles are looked up when a card is shown. None is read from the state of a run or from a database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from graph.approvals.record import PendingApproval
from graph.extensions import Extensions
from identity.observation.request_context import LANGUAGE
from identity.printable import printable
from tools.titles import ServiceTitles, ToolTitles, Words


@dataclass(frozen=True, slots=True)
class CallTitles:
    """The record of the titles beside a request: of its service, its tool, and the arguments of that."""

    service: Words | None = None
    tool: ToolTitles = field(default_factory=ToolTitles)


NO_CALL_TITLES: Final = CallTitles()


@dataclass(frozen=True, slots=True)
class Titles:
    """The titles of an agent, by the names of its services in calls."""

    services: Mapping[str, ServiceTitles] = field(default_factory=dict)

    def beside(self, pending: PendingApproval) -> PendingApproval:
        """`pending` with the titles of its call, for `graph.approvals.card`. Its id, its digest and its
        arguments stay as they are.
        """
        request = pending.request
        named = self.services.get(request.service)
        if named is None:
            return pending
        record = CallTitles(named.title, named.tools.get(request.tool, ToolTitles()))
        return replace(pending, request=replace(request, extensions=request.extensions.having(record)))

    def service(self, name: str) -> str:
        """The service of this name as a text names it."""
        named = self.services.get(name)
        return titled(printable(name), None if named is None else named.title)


NO_TITLES: Final = Titles()


def titles_in(extensions: Extensions) -> CallTitles:
    """The titles beside a request."""
    return extensions.get(CallTitles) or NO_CALL_TITLES


def titled(shown: str, words: Words | None) -> str:
    """`Title (name)`, in the language of the request that is served, or in English; without a title, the
    name. `shown` is the name as it is shown.
    """
    title = None if words is None else words.both()[LANGUAGE.get()]
    return shown if title in (None, shown) else f"{title} ({shown})"
