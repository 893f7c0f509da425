"""The `CallPolicy` of POLICY_FILE, which decides after what the services declare."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from langchain_core.messages import ToolCall

from agent.composition.facts_of_today import ReadFacts, no_facts
from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, AnyUser, Ask, Decision, Deny, Facts, Forecast, Undetermined
from graph.credentials.service_credentials import ServiceRequirement, access_identity_of
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, ConfigurationError, UnavailableError
from plugins.policy.counters import UNCOUNTED, CallCounters, CountedCall
from plugins.policy.decision import decide
from plugins.policy.rules import Rules, read_rules
from plugins.policy.schema import ToolAction, Vocabulary, fact_value
from plugins.policy.situation import FAILED, Situation, situation_of
from plugins.policy.statement import Statement
from tools.approval_policy import DataLabels
from tools.service import Access, Service, ToolSchema, offered_tool
from tools.service_name import service_of

_LOG: Final = logging.getLogger("idaas_agent.policy")
_LOOK_SECONDS: Final = 0.5
_OF_A_CALL: Final = frozenset({"input", "today"})
"""Members of the context that only a call has."""
_ANY: Final = {"type": "object"}  # the parameters of a tool whose arguments are not known
_NOT_COUNTED: Final = "not run: the calls of today cannot be counted now, and the agent's policy requires it"


class PolicyFile:
    """The rules in force. A change is read before the next decision, half a second after the last look.

    A file that is not valid is refused whole: the rules before it stay in force, and `check` raises.
    """

    def __init__(
        self, path: Path, vocabulary: Vocabulary, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises `ConfigurationError` if the file is not valid."""
        self._path = path
        self.vocabulary: Final = vocabulary
        self._monotonic = monotonic
        self._looked = monotonic()
        self._read = _signature(path)
        self.rules = read_rules(path, vocabulary)
        self._failure: ConfigurationError | None = None
        self._reading = asyncio.Lock()

    async def current(self) -> Rules:
        """The rules by which a decision is made now."""
        if self._monotonic() - self._looked >= _LOOK_SECONDS:
            async with self._reading:
                signature = _signature(self._path)
                if signature != self._read:
                    await self._reload()
                    self._read = signature
                self._looked = self._monotonic()
        return self.rules

    async def _reload(self) -> None:
        try:
            self.rules = await asyncio.to_thread(read_rules, self._path, self.vocabulary)
        except ConfigurationError as error:
            self._failure = error
            _LOG.error("POLICY_FILE is refused, and the rules before it stay in force: %s", error.detail)
        else:
            self._failure = None
            _LOG.info("POLICY_FILE is in force: %s", self.rules.digest)

    async def check(self) -> None:
        """Raises `ConfigurationError` if the file, or a rule about a tool listed since, is refused."""
        rules = await self.current()
        if failure := self._failure or rules.failure:
            raise failure.again()


def _signature(path: Path) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - follows the links of a mounted ConfigMap
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _answer(decision: Decision) -> tuple[str, str | None, int | None]:
    """Its name, and of a question who approves, and how old the sign-in may be."""
    asks = decision if isinstance(decision, Ask) else Ask()
    return type(decision).__name__.lower(), asks.approvers, asks.sign_in


def forecast_of(
    rules: Rules, action: ToolAction, unknown: frozenset[str], by: Situation, facts: Facts, asks: Ask | None
) -> tuple[Decision, list[Statement]]:
    """The decision of the rules about a tool that mention nothing `unknown`, and the others that could change
    it: not those that permit what is permitted or forbidden by others, or forbid more. Raises as `Rules.of`.
    """
    action = replace(action, parameters=_ANY)
    supposed = (rules.assuming(unknown, permitted=permitted).of(action) for permitted in (False, True))
    certain, at_best = (decide(of_tool.enforced, of_tool, by, facts, asks) for of_tool in supposed)
    changes = {"permit": _answer(at_best) != _answer(certain), "forbid": not isinstance(certain, Deny)}
    enforced = [statement for statement in rules.statements if not statement.observed]
    about = [statement for statement in enforced if statement.mentions(unknown) and statement.applies(action)]
    return certain, [statement for statement in about if changes[statement.form["effect"]]]


@dataclass(slots=True)
class CedarPolicy:
    """A `CallPolicy` by the rules of a file. What the policies before it ask is asked in any case.

    Each decision names the file's digest and the rules. What cannot be decided is denied: a tool that is not
    known, arguments that have no form in Cedar, a rule that fails, and counts that cannot be read. With
    `observes`, the file decides nothing: what it would have decided otherwise is recorded.
    `access` returns a caller's access to a service.
    """

    services: Mapping[str, Service]
    requirements: Mapping[str, ServiceRequirement]
    file: PolicyFile
    access: Callable[[str, VerifiedAccessToken], Access]
    _: KW_ONLY
    counters: CallCounters | None
    group_claim: str
    zone: tzinfo
    observes: bool
    clock: Callable[[], float]
    facts_of_today: ReadFacts = no_facts

    async def check(self) -> None:
        """Raises `ConfigurationError` if the file is refused."""
        await self.file.check()

    async def in_force(self) -> dict[str, str]:
        """Its description for people: the SHA-256 of the file, and the mode."""
        mode = "observe" if self.observes else "enforce"
        return {"digest": (await self.file.current()).digest, "mode": mode}

    @property
    def sign_in_rules(self) -> list[str]:
        """The rules that require a recent sign-in, by their lines."""
        rules = (rule for rule in self.file.rules.statements if "authAge" in rule.members)
        return [f"line {rule.line} of POLICY_FILE" for rule in rules]

    def decides(self, call: ToolCall, service: str, read: DataLabels) -> bool:  # noqa: ARG002 - the seam's
        """A file may deny any call."""
        return True

    async def decide(
        self, pending: PendingCall, caller: VerifiedAccessToken, facts: Facts, so_far: Allow | Ask
    ) -> Decision:
        rules = await self.file.current()
        asks = so_far if isinstance(so_far, Ask) else None
        decided, others, counted = await self._by_file(rules, pending, caller, facts, asks)
        if self.observes:
            others = decided
            decided = so_far
        if counted is not None and self.counters is not None:
            decided = await self.counters.settled(counted, decided)
        observed = None if others is None or _answer(others) == _answer(decided) else _answer(others)[0]
        return replace(decided, policy=rules.digest, observed=observed)

    async def forecast(self, service: str, tool: ToolSchema, user: AnyUser, so_far: Forecast) -> Forecast:
        if self.observes:
            return so_far
        rules = await self.file.current()
        effect = self.services[service].policy(tool.name).effect
        action = ToolAction(service_of(service), tool.name, effect, _ANY)
        asks = so_far if isinstance(so_far, Ask) else None
        try:
            if tool.parameters:
                rules.of(replace(action, parameters=tool.parameters))
            situation = self._situation(service, user)
            decided, undecided = forecast_of(rules, action, _OF_A_CALL, situation, Facts(), asks)
            if isinstance(decided, Deny) and isinstance(so_far, Undetermined) and so_far.asks is not None:
                asked, more = forecast_of(rules, action, _OF_A_CALL, situation, Facts(), so_far.asks)
                if more or not isinstance(asked, Deny):
                    decided = asked
                    undecided = more
        except AgentError:
            return Deny(reason=FAILED, policy=rules.digest)
        if undecided or (isinstance(so_far, Undetermined) and not isinstance(decided, Deny)):
            return Undetermined(
                rules=(*so_far.rules, *(statement.name for statement in undecided)), policy=rules.digest
            )
        return replace(decided, policy=rules.digest)

    async def _by_file(
        self, rules: Rules, pending: PendingCall, caller: VerifiedAccessToken, facts: Facts, asks: Ask | None
    ) -> tuple[Decision, Decision | None, CountedCall | None]:
        """The decision of the rules that are enforced, the one if the observed rules were too, and what was
        counted for it.
        """
        try:
            action = await self._action(pending, caller)
            if action is None:
                return Deny(), None, None
            of_tool = rules.of(action)
        except AgentError as error:
            _LOG.error('"%s" is denied: %s', pending.name, error.detail)
            return Deny(reason=FAILED), None, None
        situation = self._situation(pending.service, caller)
        situation = replace(situation, arguments=pending.call["args"], read=pending.read)
        counted: CountedCall | None = None
        others: Decision | None = None
        if "today" in of_tool.members:
            try:
                assert self.counters is not None  # noqa: S101 - `Rules.of` refuses rules that need them
                entry = CountedCall.of(pending, situation.now.date(), of_tool.sum)
                counted = await self.counters.enter(entry)
                situation = replace(situation, calls=counted.calls, amount=counted.total)
                if of_tool.members & self.file.vocabulary.facts_of_today.keys():
                    facts_of_today = await self.facts_of_today(caller.principal)
                    today = {name: fact_value(fact) for name, fact in facts_of_today.items()}
                    situation = replace(situation, today=today)
            except (ValueError, UnavailableError) as error:
                reason = UNCOUNTED if isinstance(error, ValueError) else _NOT_COUNTED
                others = Deny(reason=reason)
                if "today" in of_tool.enforced.members:
                    return others, None, counted
        decided = decide(of_tool.enforced, of_tool, situation, facts, asks)
        if of_tool.with_observed is not None and others is None:
            others = decide(of_tool.with_observed, of_tool, situation, facts, asks)
        return decided, others, counted

    async def _action(self, pending: PendingCall, caller: VerifiedAccessToken) -> ToolAction | None:
        """Raises `AgentError` if a server's tools cannot be listed."""
        service = self.services[pending.service]
        tool = pending.call["name"]
        effect = service.policy(tool).effect
        if action := self.file.vocabulary.actions.get(pending.name):
            return action
        offered = await offered_tool(service, tool, self.access(service.name, caller))
        if offered is None:
            return None
        return ToolAction(service_of(service.name), tool, effect, offered.parameters)

    def _situation(self, service: str, user: AnyUser) -> Situation:
        vocabulary = self.file.vocabulary
        identity = access_identity_of(self.requirements, service)
        now = datetime.fromtimestamp(self.clock(), self.zone)
        return situation_of(user, identity, now, vocabulary.groups, vocabulary.attributes, self.group_claim)
