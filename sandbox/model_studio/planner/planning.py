"""Deciding: from a conversation and the offered tools to calls or an answer. No state, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from sandbox.model_studio.planner import wording
from sandbox.model_studio.planner.arguments import Filling, Material, fill
from sandbox.model_studio.planner.conversation import Call, Conversation, Decision, Outcome, Tool
from sandbox.model_studio.planner.geocoding import find_geocoder
from sandbox.model_studio.planner.goals import Goal, best_tool, find_goals
from sandbox.model_studio.planner.places import known_places
from sandbox.model_studio.planner.tool_fit import Toolbox
from sandbox.model_studio.planner.vocabulary import chinese

_MAX_CALLS = 16
"""After so many calls in one turn the planner answers with what it has."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the request demands: `must_call` any tool, or the tool `forced`; several calls at once or not."""

    must_call: bool = False
    forced: str | None = None
    parallel: bool = True


@dataclass(slots=True)
class _Progress:
    pending: list[Call] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    fillings: list[Filling] = field(default_factory=list)


def decide(
    conversation: Conversation, tools: Sequence[Tool], today: date, rules: Rules | None = None
) -> Decision:
    """The next step. `today` is the date that "tomorrow" counts from."""
    rules = rules or Rules()
    toolbox = Toolbox(tools)
    in_chinese = chinese(conversation.question or conversation.earlier)
    material = Material(
        (conversation.question, conversation.earlier), conversation, today, find_geocoder(toolbox)
    )
    goals = _goals(conversation, toolbox, material, rules)
    progress = _progress(goals, material)
    thinking = wording.thinking(conversation.question, goals, progress.pending, len(tools), in_chinese)
    if (rules.must_call or rules.forced) and goals:
        forced = progress.pending or list(progress.fillings[0].calls)
        return Decision(thinking, calls=tuple(forced if rules.parallel else forced[:1]))
    if progress.pending and len(conversation.outcomes) < _MAX_CALLS:
        pending = progress.pending if rules.parallel else progress.pending[:1]
        return Decision(thinking, calls=tuple(pending))
    outcomes = progress.outcomes if goals else list(conversation.outcomes)
    if outcomes or progress.fillings:
        text = wording.answer(conversation.question, outcomes, progress.fillings, in_chinese)
    else:
        text = wording.talk(conversation.question, tools, in_chinese)
    return Decision(thinking, text=text)


def _goals(
    conversation: Conversation, toolbox: Toolbox, material: Material, rules: Rules
) -> tuple[Goal, ...]:
    question = conversation.question
    if not toolbox.tools:
        return ()
    if rules.forced:
        return tuple(Goal(tool, question) for tool in toolbox.tools if tool.name == rules.forced)
    goals = find_goals(question, toolbox, material)
    if not goals and conversation.earlier and _continues(question):
        earlier = find_goals(conversation.earlier, toolbox, material)
        goals = tuple(Goal(goal.tool, question) for goal in earlier[:1])
    if not goals and rules.must_call:
        goals = (Goal(best_tool(question, toolbox), question),)
    return goals


def _continues(question: str) -> bool:
    """Whether the question only makes sense with the one before it: a place, a number, a few words."""
    return bool(known_places(question)) or any(character.isdigit() for character in question)


def _progress(goals: Sequence[Goal], material: Material) -> _Progress:
    """What is still to be called, and what the calls so far answered, without repetitions."""
    progress = _Progress()
    seen: set[str] = set()
    for goal in goals:
        filling = fill(
            goal.tool,
            Material((goal.text, *material.texts), material.conversation, material.today, material.geocoder),
        )
        progress.fillings.append(filling)
        progress.outcomes += [o for o in filling.failed if o not in progress.outcomes]
        for call in filling.calls if filling.direct else filling.first:
            if call.key in seen:
                continue
            seen.add(call.key)
            outcome = material.conversation.outcome(call)
            if outcome is None:
                progress.pending.append(call)
            elif filling.direct:
                progress.outcomes.append(outcome)
    return progress
