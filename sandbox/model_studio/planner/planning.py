"""Deciding: from a conversation and the offered tools to calls or an answer. No state, no clock."""

import re
from collections.abc import Sequence
from datetime import date

from sandbox.model_studio.planner.answers import Speaker, thinking
from sandbox.model_studio.planner.conversation import Call, Conversation, Decision, Outcome, Rules, Tool
from sandbox.model_studio.planner.filling import Plan, fill
from sandbox.model_studio.planner.language import found
from sandbox.model_studio.planner.selection import Toolbox

_LOCATION = re.compile(r"-?\d+\.\d+,\s*-?\d+\.\d+")


def decide(
    conversation: Conversation, tools: Sequence[Tool], today: date, rules: Rules | None = None
) -> Decision:
    """The next step. `today` is the date that "tomorrow" counts from."""
    rules = rules or Rules()
    toolbox = Toolbox([tool for tool in tools if rules.forced in (None, tool.name)], today)
    must_call = rules.must_call or rules.forced is not None
    plans = _plans(conversation, toolbox, must_call=must_call)
    pending, outcomes = _progress(plans, toolbox, conversation.outcomes)
    if must_call and plans:
        pending = pending or list(plans[0].calls)
    reasons = thinking(conversation.question, [plan.tool for plan in plans], len(tools))
    if pending:
        return Decision(reasons, calls=tuple(pending if rules.parallel else pending[:1]))
    outcomes = outcomes if plans else list(conversation.outcomes)
    speaker = Speaker(conversation.question, today)
    talks = not outcomes and not plans
    return Decision(reasons, speaker.talk(tools) if talks else speaker.answer(outcomes, plans))


def _plans(conversation: Conversation, toolbox: Toolbox, *, must_call: bool) -> list[Plan]:
    """What the question asks for, or the one that it continues; else, if demanded, the nearest."""
    question, earlier = conversation.question, conversation.earlier
    close = toolbox.nearest(question)
    plans = toolbox.continued(question, earlier) if found("opening", question) or not close else []
    if close and not any(plan.tool == tool for plan in plans for _, tool in close):
        plans = toolbox.plans(question, *earlier[:1])
    nearest = toolbox.nearest(question, 0)[:1] if must_call and not plans else []
    return plans or [toolbox.plan(tool, [question], earlier[:1]) for _, tool in nearest]


def _progress(
    plans: Sequence[Plan], toolbox: Toolbox, outcomes: Sequence[Outcome]
) -> tuple[list[Call], list[Outcome]]:
    """The calls that come next, and the outcomes so far. Places are located first."""
    left, pending, made = list(outcomes), list[Call](), list[Outcome]()
    known: list[tuple[Call, Outcome]] = []

    def outcome_of(call: Call) -> Outcome | None:
        """Its own, or one of its tool that no plan has: a person changed the call."""
        if own := [outcome for planned, outcome in known if planned == call]:
            return own[0]
        of_tool = [outcome for outcome in left if outcome.call.tool == call.tool]
        if not of_tool:
            pending.extend([] if call in pending else [call])
            return None
        outcome = min(of_tool, key=lambda outcome: outcome.call != call)
        left.remove(outcome)
        known.append((call, outcome))
        return outcome

    for plan in plans:
        points: dict[str, str] = {}
        for place, lookup in zip(plan.places, toolbox.lookups(plan.places), strict=True):
            if outcome := outcome_of(lookup):
                point = _LOCATION.search(outcome.text)
                points |= {place: point[0]} if point else {}
                made += [] if point else [outcome]
        if not plan.missing and len(points) == len(plan.places):
            located = fill(plan.tool, plan.texts, points) if points else plan
            made += filter(None, map(outcome_of, located.calls))
    return pending, made
