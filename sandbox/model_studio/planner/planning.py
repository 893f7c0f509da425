"""Deciding: from a conversation and the offered tools to calls or an answer. No state, no clock."""

import re
from collections.abc import Sequence
from datetime import date

from sandbox.model_studio.planner.answers import Speaker, thinking
from sandbox.model_studio.planner.arguments import Place
from sandbox.model_studio.planner.conversation import Call, Conversation, Decision, Outcome, Rules, Tool
from sandbox.model_studio.planner.filling import Plan
from sandbox.model_studio.planner.language import found
from sandbox.model_studio.planner.selection import Toolbox

_LOCATION = re.compile(r"-?\d+\.\d+,\s*-?\d+\.\d+")


def decide(
    conversation: Conversation, tools: Sequence[Tool], today: date, rules: Rules | None = None
) -> Decision:
    """The next step. `today` is the date that "tomorrow" counts from."""
    rules = rules or Rules()
    toolbox = Toolbox(tools, today)
    plans = _plans(conversation, toolbox, rules)
    pending, outcomes = _progress(plans, conversation.outcomes)
    if (rules.must_call or rules.forced) and plans and not pending:
        known = {n: v for n, v in plans[0].arguments[0].items() if not isinstance(v, Place)}
        pending = [Call(plans[0].tool.name, known)]
    reasons = thinking(conversation.question, [plan.tool for plan in plans], len(tools))
    if pending:
        return Decision(reasons, calls=tuple(pending if rules.parallel else pending[:1]))
    outcomes = outcomes if plans else list(conversation.outcomes)
    speaker = Speaker(conversation.question, today)
    return Decision(reasons, speaker.answer(outcomes, plans) if outcomes or plans else speaker.talk(tools))


def _plans(conversation: Conversation, toolbox: Toolbox, rules: Rules) -> list[Plan]:
    """What the question asks for, or the one that it continues, or what the rules demand."""
    question, earlier = conversation.question, conversation.earlier
    if rules.forced:
        forced = [tool for tool in toolbox.tools if tool.name == rules.forced]
        return [toolbox.plan(tool, [question], earlier) for tool in forced]
    close = toolbox.nearest(question)
    plans = toolbox.continued(question, earlier) if found("opening", question) or not close else []
    if close and not any(plan.tool == tool for plan in plans for _, tool in close):
        plans = toolbox.plans(question, *earlier[:1])
    if not plans and rules.must_call and toolbox.tools:
        return [toolbox.plan(toolbox.nearest(question, 0)[0][1], [question], earlier[:1])]
    return plans


def _progress(plans: Sequence[Plan], outcomes: Sequence[Outcome]) -> tuple[list[Call], list[Outcome]]:
    """The calls that come next, and the outcomes so far. Places are located before what needs them."""
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
        for place in plan.places:
            if outcome := outcome_of(place.lookup):
                point = _LOCATION.search(outcome.text)
                points |= {place.name: point[0]} if point else {}
                made += [] if point else [outcome]
        if not plan.missing and all(place.name in points for place in plan.places):
            made += filter(None, map(outcome_of, plan.calls(points)))
    return pending, made
