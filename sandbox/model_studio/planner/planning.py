"""Deciding: from a conversation and the offered tools to calls or an answer. No state, no clock."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from sandbox.model_studio.planner import patterns
from sandbox.model_studio.planner.answers import Speaker, small_talk, thinking
from sandbox.model_studio.planner.conversation import Call, Conversation, Decision, Outcome, Rules, Tool
from sandbox.model_studio.planner.filling import Goal, fill
from sandbox.model_studio.planner.places import known_places
from sandbox.model_studio.planner.reading import Reading
from sandbox.model_studio.planner.selection import Toolbox


def decide(
    conversation: Conversation, tools: Sequence[Tool], today: date, rules: Rules | None = None
) -> Decision:
    """The next step. `today` is the date that "tomorrow" counts from."""
    rules = rules or Rules()
    toolbox = Toolbox(tools, today)
    goals = _goals(conversation, toolbox, rules)
    fillings = [fill(goal, conversation, toolbox.geocoder) for goal in goals]
    done = _as_planned(
        conversation, [call for filling in fillings for call in (*filling.calls, *filling.first)]
    )
    calls = [call for filling in fillings for call in filling.steps if done.outcome(call) is None]
    pending = [call for i, call in enumerate(calls) if call not in calls[:i]]
    if (rules.must_call or rules.forced) and goals:
        pending = pending or list(fillings[0].calls)
    reasons = thinking(conversation.question, [goal.tool for goal in goals], pending, len(tools))
    if pending:
        return Decision(reasons, calls=tuple(pending if rules.parallel else pending[:1]))
    speaker = Speaker(conversation.question, today)
    outcomes = [outcome for filling in fillings for outcome in filling.outcomes(done)]
    outcomes = outcomes if goals else list(conversation.outcomes)
    return Decision(reasons, speaker.answer(outcomes, fillings) if outcomes or goals else speaker.talk(tools))


def _as_planned(conversation: Conversation, planned: Sequence[Call]) -> Conversation:
    """A call that is not planned was changed by the person who approved it: it stands for one of its tool."""
    open_calls = [call for call in planned if conversation.outcome(call) is None]
    outcomes = []
    for outcome in conversation.outcomes:
        same_tool = [call for call in open_calls if call.tool == outcome.call.tool]
        if outcome.call not in planned and same_tool:
            open_calls.remove(same_tool[0])
            outcomes.append(Outcome(same_tool[0], outcome.text))
        else:
            outcomes.append(outcome)
    return replace(conversation, outcomes=tuple(outcomes))


def _goals(conversation: Conversation, toolbox: Toolbox, rules: Rules) -> list[Goal]:
    """What the question asks for, or the one that it continues, or what the rules demand."""
    question, *before = conversation.question, *conversation.earlier[:1]
    if rules.forced:
        texts = toolbox.readings(question, *conversation.earlier)
        return [Goal(tool, texts) for tool in toolbox.tools if tool.name == rules.forced]
    goals = toolbox.goals(question, *before) or _follow_up(conversation, toolbox)
    if not goals and rules.must_call and toolbox.tools:
        return [Goal(toolbox.scores(question)[0][1], toolbox.readings(question, *before))]
    return goals


def _follow_up(conversation: Conversation, toolbox: Toolbox) -> list[Goal]:
    """What the last question with a tool asked for, with the values of this one: `And in Beijing?`.

    If that question asked for several things, those whose calls change are asked for again.
    """
    question, earlier = conversation.question, conversation.earlier
    now, bare = (Reading(question, toolbox.today, is_value=value) for value in (False, True))
    opens, dated = bool(patterns.found("opening", question)), now.undated != question
    if small_talk(question) or not (opens or dated or bare.reply or known_places(question)):
        return []
    for i, before in enumerate(earlier):
        if goals := toolbox.goals(before):
            between = toolbox.readings(*earlier[:i])
            changed = []
            for goal in goals:
                was = fill(Goal(goal.tool, (*between, *goal.texts), i + 1), conversation, toolbox.geocoder)
                resumed = Goal(
                    goal.tool, (bare if opens or was.missing else now, *between, *goal.texts), i + 2
                )
                if fill(resumed, conversation, toolbox.geocoder) != was or (dated and len(goals) == 1):
                    changed.append(resumed)
            return changed
    return []
