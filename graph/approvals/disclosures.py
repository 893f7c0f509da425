"""What each call would disclose: the rules of `graph.labels`, applied to a call that waits for a decision.

It stands beside the policy, and decides on its own: a yes that the policy asks of others is none to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import ToolCall

from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Ask, Decision
from graph.labels.call_form import has_written, says_nothing_else
from graph.labels.data_labels import DataLabels, is_confidential, shown
from graph.labels.disclosure import Disclosure, guards_of
from graph.labels.user_words import WordsOfUsers
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError
from tools.approval_policy import ApprovalMode, Data, strictest
from tools.service import Access, Service, data_of, offered_tool
from tools.service_name import service_of

AccessOf = Callable[[str, VerifiedAccessToken], Access]


@dataclass(frozen=True, slots=True)
class Disclosures:
    """What calls of `services` disclose. `access` returns a caller's access to a service; without it, the
    schemas of tools are not known, and any argument of a call could carry what was read.
    """

    services: Mapping[str, Service]
    access: AccessOf | None = None
    words: WordsOfUsers = field(default_factory=WordsOfUsers)

    async def of(self, pending: PendingCall, decision: Decision, caller: VerifiedAccessToken) -> Disclosure:
        """What the call could carry elsewhere, also to those whom the policy's `decision` asks."""
        to_others = isinstance(decision, Ask) and decision.approvers is not None
        policy = self.services[pending.service].policy(pending.call["name"])
        keeps = is_confidential(pending.read) and self._keeps_labels(pending.service)
        guards = guards_of(pending.read, pending.service, policy, to_others=to_others, keeps_labels=keeps)
        if not (guards.holds_data or guards.asks):
            return Disclosure()
        words, arguments = self.words.of(pending.messages), pending.call["args"]
        mode = ApprovalMode.ALLOW
        carries = False
        if guards.holds_data:
            carries = not says_nothing_else(arguments, await self._parameters(pending, caller), words)
            mode = guards.of_data if carries else ApprovalMode.ALLOW
        if not has_written(arguments, words):
            mode = strictest(mode, guards.of_values)
        is_shown = carries or mode is not ApprovalMode.ALLOW
        return Disclosure(shown(pending.read) if is_shown else (), mode)

    def may_ask(self, call: ToolCall, service: str, read: DataLabels) -> bool:
        """Whether a call may be asked about or refused, whatever its arguments are."""
        policy = self.services[service].policy(call["name"])
        keeps = is_confidential(read) and self._keeps_labels(service)
        return guards_of(read, service, policy, to_others=False, keeps_labels=keeps).asks

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
