"""Decides about calls by what they would carry out of their conversation: the rules of `graph.labels`.

It is the last policy, and asks the user of the call alone: a yes that another policy asks of others is none
to it, nor is a grant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from langchain_core.messages import ToolCall

from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, AnyUser, Ask, Decision, Deny, Facts, Forecast
from graph.labels.call_form import has_written, says_nothing_else
from graph.labels.data_labels import is_confidential, shown
from graph.labels.disclosure import Disclosure, guards_of
from graph.labels.user_words import WordsOfUsers
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError
from tools.approval_policy import ApprovalMode, Data, DataLabels, strictest
from tools.service import Access, Service, ToolSchema, data_of, offered_tool
from tools.service_name import service_of

AccessOf = Callable[[str, VerifiedAccessToken], Access]


_CONFIDENTIAL: Final = (
    "not run: this conversation has read confidential data, which the call could carry elsewhere; in a new "
    "conversation it is not there"
)


@dataclass(frozen=True, slots=True)
class DisclosurePolicy:
    """The `CallPolicy` of what calls of `services` disclose. `access` returns a caller's access to a service;
    without it, the schemas of tools are not known, and any argument of a call could carry what was read.
    """

    services: Mapping[str, Service]
    access: AccessOf | None = None
    words: WordsOfUsers = field(default_factory=WordsOfUsers)

    def decides(self, call: ToolCall, service: str, read: DataLabels) -> bool:
        policy = self.services[service].policy(call["name"])
        keeps = is_confidential(read) and self._keeps_labels(service)
        return guards_of(read, service, policy, to_others=False, keeps_labels=keeps).asks

    async def decide(
        self, pending: PendingCall, caller: VerifiedAccessToken, facts: Facts, so_far: Allow | Ask
    ) -> Decision:
        """Whoever is asked sees what was read. A consent is one of the user to a question that said it, and
        to this call alone: the gate compares both. What was read since a call began, such as its server's
        question, is not in its arguments.
        """
        if facts.began:
            return so_far
        disclosure = await self.of(pending, so_far, caller)
        if disclosure.mode is ApprovalMode.DENY:
            return Deny(reason=_CONFIDENTIAL, policy=so_far.policy, rules=so_far.rules)
        has_agreed = facts.approved and facts.lasting is None
        asks = disclosure.mode is ApprovalMode.ASK and not has_agreed
        if isinstance(so_far, Allow):
            return Ask(read=disclosure.read, observed=so_far.observed) if asks else so_far
        if not asks:
            return replace(so_far, read=disclosure.read)
        return replace(so_far, read=disclosure.read, user_first=so_far.approvers is not None, lasting=())

    async def forecast(self, service: str, tool: ToolSchema, user: AnyUser, so_far: Forecast) -> Forecast:  # noqa: ARG002 - the seam's
        """Nothing was read."""
        return so_far

    async def of(self, pending: PendingCall, so_far: Allow | Ask, caller: VerifiedAccessToken) -> Disclosure:
        """The data that the call could carry elsewhere, also to those whom the other policies ask."""
        to_others = isinstance(so_far, Ask) and so_far.approvers is not None
        policy = self.services[pending.service].policy(pending.call["name"])
        keeps = is_confidential(pending.read) and self._keeps_labels(pending.service)
        guards = guards_of(pending.read, pending.service, policy, to_others=to_others, keeps_labels=keeps)
        if not (guards.holds_data or guards.asks):
            return Disclosure()
        arguments = pending.call["args"]
        parameters = await self._parameters(pending, caller)
        words = self.words.of(pending.messages)
        carries = guards.holds_data and not says_nothing_else(arguments, parameters, words)
        mode = guards.of_data if carries else ApprovalMode.ALLOW
        if not has_written(arguments, parameters, words):
            mode = strictest(mode, guards.of_values)
        if carries or mode is not ApprovalMode.ALLOW:
            return Disclosure(shown(pending.read), mode)
        return Disclosure((), mode)

    def _keeps_labels(self, node: str) -> bool:
        """Whether each tool of a service has a label, also those that another node calls."""
        name = service_of(node)
        nodes = [service for service in self.services.values() if service_of(service.name) == name]
        return all(
            data_of(service, tool) is not Data.UNLABELLED for service in nodes for tool in service.tool_names
        )

    async def _parameters(
        self, pending: PendingCall, caller: VerifiedAccessToken
    ) -> Mapping[str, Any] | None:
        """The JSON Schema of the arguments, as the service offers its tool now; `None`: not known."""
        if self.access is None:
            return None
        service = self.services[pending.service]
        try:
            tool = await offered_tool(service, pending.call["name"], self.access(service.name, caller))
        except AgentError:
            return None
        return None if tool is None else tool.parameters
