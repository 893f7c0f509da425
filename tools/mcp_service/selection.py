"""Which of the tools that an MCP server lists are used, under which names, and by which policies."""

import logging
from collections.abc import Collection, Mapping, Set
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Final

from cachetools import LRUCache

from tools.approval_policy import LISTED_READS, UNKNOWN_POLICY, Effect, ToolPolicy, Trust
from tools.mcp_service.accepted_tools import AcceptedTools, AcceptedToolsError
from tools.mcp_service.tool import MCPTool
from tools.service import FUNCTION_NAME

logger = logging.getLogger(__name__)

_MAX_NAMES: Final = 1_000


@dataclass(frozen=True, slots=True)
class UnacceptedTool:
    """A listed tool that is not accepted, and the reason: a sentence about it (`ToolDigest.difference`)."""

    tool: MCPTool
    reason: str


@dataclass(slots=True)
class ToolSelection:
    """The operator's decisions about the tools of one server. The server knows nothing of them.

    `prefix` begins the names of its tools, as the model knows them; the other parameters have the server's
    names. With `allowed_tools`, no other is used. `reading_tools` need no policy. What a server that is not
    `trusted` lists must be what was `accepted`, once `keep_to` was called.
    """

    service: str
    url: str
    _: KW_ONLY
    prefix: str
    allowed_tools: Collection[str] | None
    reading_tools: Collection[str]
    policies: Mapping[str, ToolPolicy]
    trusted: bool
    accepted: AcceptedTools | None = None
    names: frozenset[str] = frozenset()
    """The names of tools that have been used, as the model knows them, and of tools that are accepted."""
    unaccepted: Mapping[str, UnacceptedTool] = field(default_factory=dict)
    """The tools of the latest list that are not accepted, by the server's names. Used only if `is_first`."""
    is_first: bool = False
    """Whether nothing of the server is accepted: a command looks before the agent's first start."""
    fault: AcceptedToolsError | None = None
    """Why it is not known what is accepted: then nothing is used."""
    _reported: LRUCache[object, bool] = field(default_factory=lambda: LRUCache(_MAX_NAMES))

    def __post_init__(self) -> None:
        self.url = self.url.partition("?")[0]  # a query may contain a key
        self.policies = {name: _with_trust(policy) for name, policy in self.policies.items()}

    def keep_to(self, accepted: AcceptedTools) -> None:
        """From now on only what is `accepted` is used, unless the server is trusted."""
        if self.trusted:
            return
        self.accepted = accepted
        try:
            names = accepted.of(self.service, self.url)
        except AcceptedToolsError:
            return  # reported with the first list
        self._note({self.prefix + name for name in names if self._allows(name)})

    def accept(self) -> None:
        """Accepts the whole latest list. Raises `AcceptedToolsError` if that cannot be kept."""
        if self.accepted is not None:
            tools = {name: unaccepted.tool.digest for name, unaccepted in self.unaccepted.items()}
            self.accepted.accept(self.service, self.url, tools)

    def policy(self, tool: str) -> ToolPolicy:
        """The policy given for the tool; without one, it asks, unless the tool is known to read."""
        name = self.servers_name(tool)
        without_policy = LISTED_READS if name in self.reading_tools else UNKNOWN_POLICY
        return self.policies.get(name) or without_policy

    @property
    def effects(self) -> frozenset[Effect]:
        """The effects that the server's tools may have."""
        declared = {policy.effect for policy in self.policies.values()}
        if self.reading_tools:
            declared.add(Effect.READ)
        return frozenset(declared | {Effect.UNKNOWN})

    def servers_name(self, tool: str) -> str:
        """The name without the prefix; empty for a name that has none, which no tool has."""
        return tool.removeprefix(self.prefix) if tool.startswith(self.prefix) else ""

    async def used(self, listed: Mapping[str, MCPTool]) -> Mapping[str, MCPTool]:
        """The tools that are used of `listed`, by the server's names, and renamed for the model."""
        for name in self.policies.keys() - listed.keys():
            self._report(name, '"%s" has a policy for the tool "%s", and lists no such tool', name)
        allowed = {
            name: replace(tool, schema=replace(tool.schema, name=self.prefix + name))
            for name, tool in listed.items()
            if self._allows(name)
        }
        self.unaccepted = await self._unaccepted(allowed)
        used = {name: tool for name, tool in allowed.items() if self.is_first or name not in self.unaccepted}
        self._note({tool.schema.name for tool in used.values()})
        if self.fault is None:
            for name in allowed.keys() - used.keys():
                self._report_withheld(name, self.unaccepted[name])
        return used

    async def _unaccepted(self, allowed: Mapping[str, MCPTool]) -> dict[str, UnacceptedTool]:
        if self.accepted is None:
            return {}
        digests = {name: tool.digest for name, tool in allowed.items()}
        named = self.allowed_tools or ()
        try:
            accepted = await self.accepted.with_first(self.service, self.url, digests, named)
        except AcceptedToolsError as error:
            self.fault = error
            self.is_first = False
            logger.error('no tool of "%s" is offered: %s', self.service, error)  # noqa: TRY400 - its text suffices
            return {name: UnacceptedTool(tool, "") for name, tool in allowed.items()}
        self.fault = None
        self.is_first = not accepted
        unaccepted = {}
        for name, tool in allowed.items():
            reason = tool.digest.difference(accepted.get(name))
            if reason:
                unaccepted[name] = UnacceptedTool(tool, reason)
        return unaccepted

    def _allows(self, name: str) -> bool:
        fits = FUNCTION_NAME.fullmatch(self.prefix + name) is not None
        if not fits:
            self._report((name, "long"), '"%s": with the prefix, the name of "%s" is too long', name)
        return fits and (self.allowed_tools is None or name in self.allowed_tools)

    def _report_withheld(self, name: str, unaccepted: UnacceptedTool) -> None:
        text = '"%s": the tool "%s" is withheld until an operator accepts it: %s'
        self._report((name, unaccepted.tool.digest), text, name, unaccepted.reason)

    def _report(self, key: object, text: str, *arguments: str) -> None:
        """Logs a fact once."""
        if key not in self._reported:
            self._reported[key] = True
            logger.warning(text, self.service, *arguments)

    def _note(self, names: Set[str]) -> None:
        """Keeps the names of all lists so far: a server lists for each credential what it may call."""
        if not names <= self.names:
            all_names = self.names | names
            self.names = all_names if len(all_names) <= _MAX_NAMES else frozenset(names)


def _with_trust(policy: ToolPolicy) -> ToolPolicy:
    """`policy`; without a `trust`, its tool is untrusted."""
    return policy if policy.trust else replace(policy, trust=Trust.UNTRUSTED)
