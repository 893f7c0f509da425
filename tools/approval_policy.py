"""Policies of tools: what each does, and which of its calls a person has to approve first."""

import json
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final, TypeAlias

from identity.principal import AccessIdentity
from tools.lasting import Lasting


class Effect(StrEnum):
    """The change that a call makes."""

    READ = "read"
    """Nothing."""
    WRITE = "write"
    """Data of a service."""
    EXTERNAL = "external"
    """Something outside the company's systems: a mail is sent, an order is placed."""
    UNKNOWN = "unknown"
    """Neither the code nor the operator declares it: it may be any of them."""


class ApprovalMode(StrEnum):
    """The treatment of a call, from the most permissive mode to the strictest."""

    ALLOW = "allow"
    """It is made."""
    ASK = "ask"
    """It is made after the user has approved exactly this call; without a conversation it is refused."""
    DENY = "deny"
    """It is refused."""


class Data(StrEnum):
    """How far what a tool returns may go."""

    UNLABELLED = "unlabelled"
    """No one has said: nothing holds it."""
    PUBLIC = "public"
    """Anywhere."""
    INTERNAL = "internal"
    """To the user, the model, and the company's services. Outside only if the user agrees."""
    CONFIDENTIAL = "confidential"
    """To the user, the model, and the service that returned it. Elsewhere only if the user agrees."""


class Trust(StrEnum):
    """Whether the author of what a tool returns may give the model instructions."""

    TRUSTED = "trusted"
    """The company."""
    UNTRUSTED_CONTENT = "untrusted-content"
    """Others, but the tool is the company's, such as a mailbox: what is sent to it stays inside."""
    UNTRUSTED = "untrusted"
    """Others: a web page, a mail, an outside server. What is sent to such a tool leaves the company."""


DataLabels: TypeAlias = Mapping[str, str]
"""The labels of what was read: `service.tool` → its labels, separated by a space. Others are absent."""


@dataclass(frozen=True, slots=True)
class After:
    """The treatment of a tool's calls after something was read (`graph.labels.disclosure`).

    After `confidential` and `internal` data, it is about calls that could carry it to where it may not go:
    they say more than their user has written. After `untrusted` data, which may instruct the model, and after
    `nothing`, that is always, it is about calls with a text or number that their user has not written: a read
    goes out by its URL or search text. The default after untrusted data is to ask for the effects `external`
    and `unknown`, and else to allow.
    """

    confidential: ApprovalMode = ApprovalMode.ASK
    internal: ApprovalMode = ApprovalMode.ASK
    untrusted: ApprovalMode | None = None
    nothing: ApprovalMode = ApprovalMode.ALLOW


_AFTER: Final = After()

RuleValue: TypeAlias = bool | int | float | str

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class ArgumentRule:
    """A stricter mode for calls whose argument compares to `value`: `ArgumentRule("amount", ">", 500)`.

    `argument` is a name, or a path through objects with dots: `order.amount`. Numbers are compared with
    numbers, texts with texts, character by character, and booleans with booleans. A rule whose argument is
    missing or of another type cannot be evaluated: such a call asks.

    Raises `ValueError` for a rule that cannot be evaluated for any call, and for the mode `allow`, because a
    rule only restricts.
    """

    argument: str
    operator: str
    value: RuleValue
    mode: ApprovalMode = ApprovalMode.ASK

    def __post_init__(self) -> None:
        if not all(self.argument.split(".")):
            raise ValueError('an argument must be a name, or names with "." between them')
        if self.operator not in _OPERATORS:
            raise ValueError(f"an operator must be one of {' '.join(_OPERATORS)}")
        if isinstance(self.value, bool) and self.operator not in ("==", "!="):
            raise ValueError("true and false can be compared by == and != only")
        if isinstance(self.value, float) and not math.isfinite(self.value):
            raise ValueError("a number must be finite")
        if self.mode is ApprovalMode.ALLOW:
            raise ValueError("a rule must ask or deny")

    def __str__(self) -> str:
        return f"{self.argument} {self.operator} {json.dumps(self.value, ensure_ascii=False)}"

    def mode_for(self, arguments: Mapping[str, Any]) -> ApprovalMode:
        """`mode` if the rule matches, `ask` if it cannot be evaluated, else `allow`."""
        argument: Any = arguments
        for name in self.argument.split("."):
            argument = argument.get(name) if isinstance(argument, Mapping) else None
        if _kind(argument) is not _kind(self.value):
            return ApprovalMode.ASK
        matches = _OPERATORS[self.operator](argument, self.value)
        return self.mode if matches else ApprovalMode.ALLOW


_STRICTNESS: Final = {mode: place for place, mode in enumerate(ApprovalMode)}


def strictest(*modes: ApprovalMode) -> ApprovalMode:
    """The strictest of `modes`."""
    return max(modes, key=_STRICTNESS.__getitem__)


def _kind(value: object) -> type | None:
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return float
    return str if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """The policy of one tool. Without a `mode`, the effect and the access identity of a call decide.

    `approvers` is a group, or `claim:manager`: another person, who is a member of it, or whose `sub` is in
    this claim of the user, approves in place of the user, and each call alone. `lasting` is what a person may
    approve beyond the call about which they are asked; `None`: nothing. With the effect `external` it counts
    in the conversation only.
    `data` and `trust` label what it returns; without `trust`, the tools of an MCP server are untrusted, and
    others trusted. `after` is what happens to its calls after such data was read.
    `sum` is a required number, whose sum of the user's calls today a decision point learns (`POLICY_URL`).

    Raises `ValueError` for a member that has no effect, because another disables it.
    """

    effect: Effect = Effect.READ
    mode: ApprovalMode | None = None
    rules: tuple[ArgumentRule, ...] = ()
    lasting: Lasting | None = None
    approvers: str | None = None
    data: Data = Data.UNLABELLED
    trust: Trust | None = None
    after: After = _AFTER
    sum: str | None = None
    After: ClassVar = After
    """For code of operators: `ToolPolicy(after=ToolPolicy.After(confidential=ApprovalMode.DENY))`."""

    def __post_init__(self) -> None:
        for fault in self._disabled():
            raise ValueError(fault)

    def mode_for(self, arguments: Mapping[str, Any], access_identity: AccessIdentity | None) -> ApprovalMode:
        """The strictest of the policy's mode and of its rules for `arguments`.

        Without a mode: `read` is allowed, and `unknown` asks. `write` and `external` ask under Human
        identity, and are denied under Machine identity and for a service without a credential, because the
        agent's rights are those of no single user.
        """
        return strictest(self._base(access_identity), *(rule.mode_for(arguments) for rule in self.rules))

    def modes(self, access_identity: AccessIdentity | None) -> list[ApprovalMode]:
        """The modes that calls have, by their arguments, the most permissive first."""
        base = self._base(access_identity)
        modes = {base}
        for rule in self.rules:
            modes.add(strictest(base, ApprovalMode.ASK))  # if the rule cannot be evaluated
            modes.add(strictest(base, rule.mode))
        return [mode for mode in ApprovalMode if mode in modes]

    def offered(self, arguments: Mapping[str, Any], seconds: int) -> Lasting:
        """The further calls that a person may approve beyond one with `arguments`, for `seconds` at most."""
        most = self.lasting or Lasting(seconds, conversation_only=False)
        only = most.conversation_only or self.effect is Effect.EXTERNAL
        return Lasting(min(seconds, most.seconds), only, most.bounds).offered_for(arguments)

    def _disabled(self) -> Iterator[str]:
        """Members without an effect under each access identity, each with the reason."""
        bases = {self._base(identity) for identity in (*AccessIdentity, None)}
        asking_rules = any(rule.mode is ApprovalMode.ASK for rule in self.rules)
        if bases == {ApprovalMode.DENY}:
            nothing = ToolPolicy()
            for name in ("rules", "approvers", "lasting", "after", "sum"):
                if getattr(self, name) != getattr(nothing, name):
                    yield f"{name} must not be set, because every call is denied"
        if self.approvers is not None and ApprovalMode.ASK not in bases and not asking_rules:
            yield "approvers must not be set, because no call asks: it takes the policy ask, or such a rule"
        if self.approvers is not None and self.lasting is not None:
            yield "lasting must not be set with approvers, who approve each call alone"
        if asking_rules and ApprovalMode.ALLOW not in bases:
            yield "must have no rule that asks, because every call asks: it takes the policy allow"
        anywhere = self.lasting is not None and not self.lasting.conversation_only
        if anywhere and self.effect is Effect.EXTERNAL:
            yield "conversation_only of lasting must be true with the effect external"

    def _base(self, access_identity: AccessIdentity | None) -> ApprovalMode:
        if self.mode is not None:
            return self.mode
        if self.effect is Effect.READ:
            return ApprovalMode.ALLOW
        if self.effect is Effect.UNKNOWN:
            return ApprovalMode.ASK
        return ApprovalMode.ASK if access_identity is AccessIdentity.HUMAN else ApprovalMode.DENY


CLAIM: Final = "claim:"
"""Begins `approvers` that name a claim of the user."""

READS: Final = ToolPolicy(Effect.READ)
"""The policy of a tool that is declared as reading."""

DEFAULT_POLICY: Final = ToolPolicy()
"""The policy of a tool in code that declares none: it reads. `doctor` does not call it."""

LISTED_READS: Final = ToolPolicy(Effect.READ, trust=Trust.UNTRUSTED)
"""The policy of a tool that a server lists and that is known to read."""

UNKNOWN_POLICY: Final = ToolPolicy(Effect.UNKNOWN, trust=Trust.UNTRUSTED)
"""The policy of a tool that a server lists and the operator has none for: its calls ask."""
