"""Deciding: from a conversation and the offered tools to calls or an answer. No state, no clock."""

from collections.abc import Sequence
from datetime import date

from sandbox.model_studio.planner import answers, dates, phrases
from sandbox.model_studio.planner.arguments import Filling, Goal, Material, fill
from sandbox.model_studio.planner.conversation import Call, Conversation, Decision, Outcome, Rules, Tool
from sandbox.model_studio.planner.places import known_places
from sandbox.model_studio.planner.selection import Toolbox, find_goals
from sandbox.model_studio.planner.vocabulary import STOP_WORDS, chinese

_MAX_CALLS = 16
"""After so many calls in one turn the planner answers with what it has."""
_REPLY_WORDS = 4
"""A reply to "I still need: …" is that short."""


def decide(
    conversation: Conversation, tools: Sequence[Tool], today: date, rules: Rules | None = None
) -> Decision:
    """The next step. `today` is the date that "tomorrow" counts from."""
    rules = rules or Rules()
    toolbox = Toolbox(tools)
    question = conversation.question
    speaker = answers.Speaker(chinese=chinese(question))
    material = Material(conversation, today, toolbox.geocoder())
    goals = _goals(conversation, toolbox, material, rules)
    fillings = [fill(goal, material) for goal in goals]
    pending, outcomes = _progress(fillings, conversation)
    thinking = answers.thinking(question, [goal.tool for goal in goals], pending, len(tools))
    if (rules.must_call or rules.forced) and goals:
        pending = pending or list(fillings[0].calls)
    elif len(conversation.outcomes) >= _MAX_CALLS:
        pending = []
    if pending:
        return Decision(thinking, calls=tuple(pending if rules.parallel else pending[:1]))
    outcomes = outcomes if goals else list(conversation.outcomes)
    if outcomes or fillings:
        return Decision(thinking, text=speaker.answer(question, outcomes, fillings, today))
    return Decision(thinking, text=speaker.talk(question, tools))


def _goals(conversation: Conversation, toolbox: Toolbox, material: Material, rules: Rules) -> list[Goal]:
    question, earlier = conversation.question, conversation.earlier
    if rules.forced:
        return [Goal(t, (question, *earlier)) for t in toolbox.tools if t.name == rules.forced]
    goals = find_goals(question, toolbox, material, earlier[:1])
    goals = goals or _follow_up(question, earlier, toolbox, material)
    if not goals and rules.must_call and toolbox.tools:
        return [Goal(toolbox.ranked(question)[0][1], (question, *earlier[:1]))]
    return goals


def _follow_up(question: str, earlier: Sequence[str], toolbox: Toolbox, material: Material) -> list[Goal]:
    """What the last question with a tool asked for, with the values of this one: `And in Beijing?`.

    If that question asked for several things, those whose calls change are asked for again.
    """
    opens = phrases.opens_follow_up(question)
    day = dates.without_dates(question) != question
    reply = _reply(question)
    if answers.small_talk(question) or not (
        opens or day or reply or known_places(question) or any(c.isdigit() for c in question)
    ):
        return []
    for i, before in enumerate(earlier):
        asked = find_goals(before, toolbox, material, earlier[i + 1 : i + 2])
        if not asked:
            continue
        unchanged = [Goal(g.tool, (*earlier[:i], *g.texts), own=i + 1) for g in asked]
        was = [fill(goal, material) for goal in unchanged]
        resumed = [
            Goal(g.tool, (question, *g.texts), g.own + 1, reply if opens or filling.missing else "")
            for g, filling in zip(unchanged, was, strict=True)
        ]
        changed = [g for g, filling in zip(resumed, was, strict=True) if fill(g, material) != filling]
        return changed or (resumed[:1] if day else [])
    return []


def _reply(question: str) -> str:
    """The value that the question consists of, beside "And for …"; empty if it is more than a few words."""
    text = phrases.bare(question)
    words = {word.lower() for word in text.split()}
    plain = dates.without_dates(text) == text and len(words) <= _REPLY_WORDS and not STOP_WORDS & words
    return text if plain else ""


def _progress(fillings: Sequence[Filling], conversation: Conversation) -> tuple[list[Call], list[Outcome]]:
    """The calls still to be made, and the outcomes so far, each once.

    A call that none of these is was changed by the person who approved it: it stands for one of its tool.
    """
    pending: list[Call] = []
    outcomes: list[Outcome] = []
    planned = [call for filling in fillings for call in (*filling.calls, *filling.first)]
    changed = [outcome for outcome in conversation.outcomes if outcome.call not in planned]
    for filling in fillings:
        outcomes += filling.failed
        for call in filling.calls if filling.direct else filling.first:
            outcome = conversation.outcome(call) or _taken(changed, call.tool)
            if outcome is None:
                pending.append(call)
            elif filling.direct:
                outcomes.append(outcome)
    distinct = [call for i, call in enumerate(pending) if call not in pending[:i]]
    return distinct, [outcome for i, outcome in enumerate(outcomes) if outcome not in outcomes[:i]]


def _taken(changed: list[Outcome], tool: str) -> Outcome | None:
    """The first of `changed` for a call of `tool`, which is taken out."""
    found = next((outcome for outcome in changed if outcome.call.tool == tool), None)
    if found is not None:
        changed.remove(found)
    return found
