"""Deciding: from a conversation and the offered tools to calls or an answer. No state, no clock."""

import re
from collections.abc import Sequence
from datetime import date

from sandbox.model_studio.planner.answers import Speaker, thinking
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
    results = _Results(conversation.outcomes)
    steps = [results.after(plan, toolbox.geocoder) for plan in plans]
    pending = [call for calls, _ in steps for call in calls]
    pending = [call for i, call in enumerate(pending) if call not in pending[:i]]
    if (rules.must_call or rules.forced) and plans:
        pending = pending or plans[0].calls({})
    reasons = thinking(conversation.question, [plan.tool for plan in plans], pending, len(tools))
    if pending:
        return Decision(reasons, calls=tuple(pending if rules.parallel else pending[:1]))
    outcomes = [outcome for _, made in steps for outcome in made] if plans else conversation.outcomes
    speaker = Speaker(conversation.question, today)
    return Decision(reasons, speaker.answer(outcomes, plans) if outcomes or plans else speaker.talk(tools))


def _plans(conversation: Conversation, toolbox: Toolbox, rules: Rules) -> list[Plan]:
    """What the question asks for, or the one that it continues, or what the rules demand."""
    question, earlier = conversation.question, conversation.earlier
    if rules.forced:
        forced = [tool for tool in toolbox.tools if tool.name == rules.forced]
        return [toolbox.plan(tool, question, *earlier) for tool in forced]
    close = [tool for _, tool in toolbox.nearest(question)]
    plans = toolbox.continued(question, earlier) if found("opening", question) or not close else []
    if close and not any(plan.tool in close for plan in plans):
        plans = toolbox.plans(question, *earlier[:1])
    if not plans and rules.must_call and toolbox.tools:
        return [toolbox.plan(toolbox.nearest(question, 0)[0][1], question, *earlier[:1])]
    return plans


class _Results:
    """The outcomes of calls. One that a person changed counts for another planned call of its tool."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._left = list(outcomes)
        self._known: list[tuple[Call, Outcome]] = []

    def after(self, plan: Plan, geocoder: Tool | None) -> tuple[list[Call], list[Outcome]]:
        """The calls of a plan that come next, and the outcomes so far. Places are located first."""
        if plan.missing:
            return [], []
        points = {}
        if geocoder and plan.places:
            calls = [Call(geocoder.name, {geocoder.required[0]: name}) for name in plan.places]
            pending, located = self._split(calls)
            matches = [_LOCATION.search(outcome.text) for outcome in located]
            failed = [outcome for outcome, match in zip(located, matches, strict=True) if not match]
            if pending or failed:
                return pending, failed
            points = {name: match[0] for name, match in zip(plan.places, matches, strict=True) if match}
        return self._split(plan.calls(points))

    def _split(self, calls: Sequence[Call]) -> tuple[list[Call], list[Outcome]]:
        """Those without an outcome, and the outcomes of the others."""
        outcomes = [(call, self._outcome(call)) for call in calls]
        return [call for call, outcome in outcomes if not outcome], [o for _, o in outcomes if o]

    def _outcome(self, call: Call) -> Outcome | None:
        if known := next((outcome for planned, outcome in self._known if planned == call), None):
            return known
        same_tool = [outcome for outcome in self._left if outcome.call.tool == call.tool]
        outcome = next((o for o in same_tool if o.call == call), next(iter(same_tool), None))
        if outcome:
            self._left.remove(outcome)
            self._known.append((call, outcome))
        return outcome
