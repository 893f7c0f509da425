"""Decides about one call by rules, and finds out what would permit it.

Cedar knows no question: a call that is denied is evaluated again as if the user, or a member of a group that
the rules name, had approved it, or as if the user had just signed in. The first that is allowed is what is
asked. These evaluations are hints: only the one with true facts, just before the call, lets it through.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from cedarpy import Entities, PolicySet, is_authorized

from agent.policy.rules import Policies, Statement, ToolRules
from agent.policy.schema import cedar_value, decimal_text
from graph.approvals.policy import DENIED, Allow, Approver, Ask, Decision, Deny, Facts
from graph.data_labels import DataLabels, labels_in, services_in
from identity.principal import Principal
from tools.approval_policy import Data, Trust
from tools.lasting import LONGEST_SECONDS

DURATIONS: Final = (900, 3_600, 8 * 3_600, LONGEST_SECONDS)
"""The durations of a consent, in seconds, that are tried where rules mention `context.consent`."""
_SOMEBODY: Final = Principal("", secrets.token_hex(16))
"""An invented approver. No user has its id."""
FAILED: Final = "not run: the policy of the agent could not be evaluated for this call"
_NO_SIGN_IN_TIME: Final = (
    "not run: the policy of the agent requires a recent sign-in, and the user's access token does not say "
    "when they signed in"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A call, by whom, and when. `claims` are the user's attributes, `groups` those that the operator lists.

    `sign_in_age` is in seconds; `None`: not known. `calls` and `amount`, in ten-thousandths, count the user's
    calls of the tool today, this one included.
    """

    subject: str
    groups: frozenset[str]
    claims: Mapping[str, str]
    identity: str
    arguments: Mapping[str, Any]
    now: datetime
    sign_in_age: int | None = None
    calls: int = 0
    amount: int = 0
    read: DataLabels = field(default_factory=dict)
    """The labels of what the conversation has read."""


def decide(
    policies: Policies, of_tool: ToolRules, situation: Situation, facts: Facts, declared: Ask | None = None
) -> Decision:
    """The decision of `policies` about a call of the tool of `of_tool`.

    With `declared`, the call is allowed only with an approval, by whom and for as long as that says. What
    cannot be evaluated is denied.
    """
    return _Evaluation(policies, of_tool, situation, declared).decision(facts)


@dataclass(frozen=True, slots=True)
class _Result:
    allowed: bool
    names: tuple[str, ...]
    failed: bool


class _Evaluation:
    """Evaluations of one call by one set of rules."""

    def __init__(
        self, policies: Policies, of_tool: ToolRules, situation: Situation, declared: Ask | None
    ) -> None:
        self._policies = policies
        self._declared = declared
        self._of_tool = of_tool
        self._situation = situation
        self._context: Mapping[str, Any] = {}

    def result(self, facts: Facts) -> _Result:
        """One evaluation. Raises `ValueError` if the call cannot be expressed."""
        self._context = _context(self._of_tool, self._situation)
        return self._result(facts)

    def decision(self, facts: Facts) -> Decision:
        try:
            result = self.result(facts)
            if result.allowed and (facts.approved or self._declared is None):
                return Allow(rules=result.names)
            return Deny(rules=result.names) if facts.approved else self._asking(result)
        except ValueError:  # its text may contain arguments
            return Deny(reason=FAILED)

    def _asking(self, result: _Result) -> Decision:
        """What would permit a call that is not approved; first without another sign-in."""
        for age in (None, 0) if self._of_tool.ages else (None,):
            for facts, group in self._consents():
                if (age is None and not facts.approved) or not self._result(facts, age).allowed:
                    continue
                if age is not None and self._situation.sign_in_age is None:
                    return Deny(reason=_NO_SIGN_IN_TIME, rules=result.names)
                lasting = self._lasting(facts, age) if facts.approved and group is None else ()
                ages = () if age is None else self._of_tool.ages
                longest = next((each for each in ages if self._result(facts, each).allowed), age)
                return Ask(approvers=group, sign_in=longest, lasting=lasting, rules=result.names)
        return Deny(reason=FAILED if result.failed else DENIED, rules=result.names)

    def _consents(self) -> Iterator[tuple[Facts, str | None]]:
        """The consents that are tried: none, the user's, and that of a member of each group."""
        if self._declared is None:
            yield Facts(), None
        groups = self._of_tool.groups
        if self._declared is not None and self._declared.approvers is not None:
            groups = (self._declared.approvers,)
        else:
            yield Facts(approved=True), None
        for group in groups:
            yield Facts(approved=True, approver=Approver(_SOMEBODY, frozenset({group}))), group

    def _lasting(self, facts: Facts, age: int | None) -> tuple[int, ...]:
        durations: tuple[int, ...] = DURATIONS if self._of_tool.lasting else ()
        if self._declared is not None:
            longest = max(self._declared.lasting, default=0)
            durations = (*(each for each in DURATIONS if each < longest), *self._declared.lasting)
        return tuple(
            seconds for seconds in durations if self._result(replace(facts, lasting=seconds), age).allowed
        )

    def _result(self, facts: Facts, age: int | None = None) -> _Result:
        """As if the user had signed in `age` seconds ago; `None`: when they did. Raises `ValueError` if the
        call cannot be expressed.
        """
        situation, of_tool = self._situation, self._of_tool
        people: dict[str, tuple[Mapping[str, str], frozenset[str]]] = {}
        context = {**self._context, "approved": facts.approved}
        if facts.approved:
            approver = facts.approver
            subject = situation.subject if approver is None else approver.principal.subject
            if approver is not None:
                people[subject] = {}, approver.groups & of_tool.known_groups
            context["approver"] = {"type": "User", "id": subject}
            context["consent"] = {"lasting": facts.lasting is not None, "seconds": facts.lasting or 0}
        age = situation.sign_in_age if age is None else age
        if age is not None:
            context["authAge"] = age
        request = {
            "principal": {"type": "User", "id": situation.subject},
            "action": {"type": "Action", "id": of_tool.action.name},
            "resource": {"type": "Service", "id": of_tool.action.service},
            "context": context,
        }
        people[situation.subject] = situation.claims, situation.groups
        known = tuple((name, *claims.items(), groups) for name, (claims, groups) in people.items())
        if (entities := of_tool.entities.get(known)) is None:
            # With the schema, or rules about effects would be lost: it says which actions are within which.
            text = json.dumps([_person(name, *about) for name, about in people.items()])
            entities = of_tool.entities[known] = Entities.from_json_str(text, of_tool.schema)
        result = is_authorized(request, self._policies.set, entities, of_tool.schema)
        reasons = map(self._policies.statement, result.diagnostics.reasons)
        names = tuple(each.name for each in sorted(reasons, key=lambda each: each.line))
        failed = bool(result.diagnostics.errors)  # their texts contain arguments
        return _Result(result.allowed and not failed, names, failed)


def _person(subject: str, claims: Mapping[str, str], groups: frozenset[str]) -> dict[str, Any]:
    parents = [{"type": "Group", "id": group} for group in sorted(groups)]
    return {"uid": {"type": "User", "id": subject}, "attrs": dict(claims), "parents": parents}


def _context(of_tool: ToolRules, situation: Situation) -> dict[str, Any]:
    """What is the same in each evaluation of the call."""
    now = situation.now
    today: dict[str, Any] = {"count": situation.calls}
    if of_tool.sum is not None:
        today["sum"] = decimal_text(situation.amount)
    return {
        "input": cedar_value(situation.arguments, of_tool.input),
        "identity": situation.identity,
        "now": {
            "time": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "minute": now.hour * 60 + now.minute,
            "weekday": now.isoweekday(),
        },
        "read": {
            "confidential": Data.CONFIDENTIAL in labels_in(situation.read),
            "untrusted": Trust.UNTRUSTED in labels_in(situation.read),
            "services": sorted(services_in(situation.read)),
        },
        **({"today": today} if of_tool.today else {}),
    }


def conditions(of_tool: ToolRules, rule: Statement, situation: Situation, facts: Facts) -> list[str]:
    """Whether the scope of a rule includes the call, and each `when` and `unless` is true, false or fails."""
    found = ["in scope"]
    parts = [
        ("in scope", []),
        *((each["kind"], [{**each, "kind": "when"}]) for each in rule.form["conditions"]),
    ]
    for kind, body in parts:
        form = {**rule.form, "effect": "permit", "conditions": body, "annotations": {}}
        policies = {"staticPolicies": {"policy0": form}, "templates": {}, "templateLinks": []}
        alone = Policies([rule], PolicySet.from_json_str(json.dumps(policies)))
        try:
            result = _Evaluation(alone, of_tool, situation, None).result(facts)
        except ValueError:
            return ["the call cannot be expressed"]
        if not body and not result.allowed:
            return ["not in scope"]
        if body:
            found.append(f"{kind} {'fails' if result.failed else str(result.allowed).lower()}")
    return found
