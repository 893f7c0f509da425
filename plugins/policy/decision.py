"""Decides about one call by rules in Cedar, and finds out what would permit it."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from cedarpy import AuthzResult, Entities, is_authorized

from graph.approvals.policy import Ask, Decision, Deny, Facts
from plugins.policy.rules import Outcome, Policies, ToolRules
from plugins.policy.schema import cedar_value
from plugins.policy.situation import DURATIONS, FAILED, Situation, consent_of, context_of, decision_steps
from plugins.policy.statement import Statement


def decide(
    policies: Policies, of_tool: ToolRules, situation: Situation, facts: Facts, declared: Ask | None = None
) -> Decision:
    """The decision of `policies` about a call of the tool of `of_tool`.

    With `declared`, the call is allowed only with an approval, by whom and for as long as that says. What
    cannot be evaluated is denied.
    """
    durations = DURATIONS if "consent" in policies.members else ()
    steps = decision_steps(situation, facts, declared, policies.groups, policies.ages, durations)
    try:
        evaluate = _evaluation(policies, of_tool, situation)
        first = outcome = evaluate(*next(steps))
        while True:
            outcome = evaluate(*steps.send(outcome.allowed))
    except StopIteration as ended:
        failed = first.failed and not facts.approved and isinstance(ended.value, Deny)
        decision = Deny(reason=FAILED) if failed else ended.value
        return replace(decision, rules=first.names)
    except ValueError:  # its text may contain arguments
        return Deny(reason=FAILED)


def _evaluation(
    policies: Policies, of_tool: ToolRules, situation: Situation
) -> Callable[[Facts, int | None], Outcome]:
    """Evaluates one call by a consent and the age of the sign-in (`None`: the true one). Raises `ValueError`,
    as does each evaluation, if the call cannot be expressed.

    Cedar has neither a clock nor a state. What was evaluated before, with the same rules, tool, people and
    context, has the same outcome: a call that is decided again just before it is made, and a supposed consent
    that no rule mentions. Of arguments, only the digest is kept for that.
    """
    mentioned = {name: fact for name, fact in situation.today.items() if name in of_tool.members}
    today: dict[str, int | float] = {**mentioned, "count": situation.calls}
    if of_tool.sum is not None:
        today["sum"] = situation.amount
    arguments = cedar_value(situation.arguments, of_tool.input)
    wanted = of_tool.members
    of_call = {**context_of(situation, wanted), "input": arguments, "today": today}
    if "time" in of_call.get("now", ()):
        of_call["now"]["time"] = {"__extn": {"fn": "datetime", "arg": of_call["now"]["time"]}}
    request = {
        "principal": {"type": "User", "id": situation.subject},
        "action": {"type": "Action", "id": of_tool.action.name},
        "resource": {"type": "Service", "id": of_tool.action.service},
    }

    def outcome(facts: Facts, age: int | None) -> Outcome:
        people: dict[str, tuple[Mapping[str, str], frozenset[str]]] = {}
        consent = consent_of(situation, facts, age)
        if facts.approved:
            approver = facts.approver
            subject = situation.subject if approver is None else approver.principal.subject
            if approver is not None:
                people[subject] = {}, approver.groups & of_tool.known_groups
            consent["approver"] = {"__entity": {"type": "User", "id": subject}}
        people[situation.subject] = situation.claims, situation.groups
        key = tuple((name, *claims.items(), groups) for name, (claims, groups) in people.items())
        text = json.dumps({name: value for name, value in {**of_call, **consent}.items() if name in wanted})
        digest = hashlib.sha256(text.encode()).digest()
        known_by = of_tool.action.service, of_tool.action.key, situation.subject, key, digest
        known = policies.outcomes.get(known_by)
        if known is not None:
            return known
        if (entities := of_tool.entities.get(key)) is None:
            # With the schema, or rules about effects would be lost: it says which actions are within which.
            of_people = json.dumps([_person(name, *about) for name, about in people.items()])
            entities = of_tool.entities[key] = Entities.from_json_str(of_people, of_tool.schema)
        result = is_authorized({**request, "context": text}, policies.set, entities)
        names = tuple(policies.names[policy_id] for policy_id in sorted(result.diagnostics.reasons))
        failed = bool(result.diagnostics.errors)  # their texts contain arguments
        evaluated = policies.outcomes[known_by] = Outcome(permits(result), names, failed)
        return evaluated

    return outcome


def permits(result: AuthzResult) -> bool:
    """Whether Cedar allows, and no rule has failed: Cedar itself skips a rule that fails."""
    return result.allowed and not result.diagnostics.errors


def _person(subject: str, claims: Mapping[str, str], groups: frozenset[str]) -> dict[str, Any]:
    parents = [{"type": "Group", "id": group} for group in sorted(groups)]
    return {"uid": {"type": "User", "id": subject}, "attrs": dict(claims), "parents": parents}


def conditions(of_tool: ToolRules, rule: Statement, situation: Situation, facts: Facts) -> list[str]:
    """Whether the scope of a rule includes the call, and each `when` and `unless` is true, false or fails."""
    findings = ["in scope"]
    parts = ((condition["kind"], [{**condition, "kind": "when"}]) for condition in rule.form["conditions"])
    for kind, body in (("", []), *parts):
        alone = Policies([replace(rule, form={**rule.form, "effect": "permit", "conditions": body})])
        try:
            result = _evaluation(alone, of_tool, situation)(facts, None)
        except ValueError:
            return ["the call cannot be expressed"]
        if not body and not result.allowed:
            return ["not in scope"]
        if body:
            finding = "fails" if result.failed else str(result.allowed).lower()
            findings.append(f"{kind} {finding}")
    return findings
