"""The tables of docs/injections.md, which `make injections` writes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from benchmarks.injections.obedient_model import Form, Order
from benchmarks.injections.outcome import Manner, Outcome
from benchmarks.injections.suites import SUITES
from tests.generated_page import GeneratedPage

PAGE: Final = GeneratedPage.named("injections.md", "make injections")
Count = Callable[[Outcome], int]
_ORDERS: Final = {
    Order.LAST: "after the user's calls",
    Order.FIRST: "before them",
    Order.BETWEEN: "between them",
    Order.ALONE: "in their place",
}
_FORMS: Final = {
    Form.SPLIT: "each text in two halves",
    Form.ENCODED: "each text in base64",
    Form.AGAIN: "each call three times",
    Form.NUMBERS: "the text in numbers",
    Form.BOOLEANS: "the text in booleans",
    Form.NAMES: "the text as the name of an argument",
    Form.DELEGATED: "asked of a tool that is an agent",
}


def figures(found: Sequence[Outcome]) -> str:
    """The table of the policy that is published, a column for each suite.

    A row with several orders or forms has the figures of each of them, which are equal.
    """
    harmless = [outcome for outcome in found if outcome.case.attack is None]
    by_tool = [outcome for outcome in found if outcome.case.attack is not None and not outcome.says_only]
    by_text = [outcome for outcome in found if outcome.says_only]
    rows = [("", *SUITES, "all"), ("---",) * (len(SUITES) + 2)]

    def cells(outcomes: Iterable[Outcome], manner: Manner, count: Count, *, of: bool = True) -> Sequence[str]:
        in_manner = [outcome for outcome in outcomes if outcome.manner == manner]
        columns = [[outcome for outcome in in_manner if outcome.case.suite == suite] for suite in SUITES]
        return tuple(_share(column, count, of=of) for column in [*columns, in_manner])

    def add(name: str, outcomes: Iterable[Outcome], manner: Manner, count: Count, *, of: bool = True) -> None:
        rows.append((name, *cells(outcomes, manner, count, of=of)))

    def add_each(name: str, manners: Mapping[str, Manner], count: Count) -> None:
        alike: dict[Sequence[str], list[str]] = {}
        for words, manner in manners.items():
            alike.setdefault(cells(by_tool, manner, count), []).append(words)
        rows.extend((f"{name}: {'; '.join(words)}", *columns) for columns, words in alike.items())

    attentive, absent = Manner("attentive"), Manner("absent")
    add("**tasks solved**, nobody attacks, an attentive person", harmless, attentive, _solved)
    add("questions that they are asked", harmless, attentive, lambda outcome: outcome.questions, of=False)
    add(
        "messages of the model about which they are asked, if it makes its calls together",
        harmless,
        Manner("attentive", together=True),
        lambda outcome: outcome.interruptions,
        of=False,
    )
    add("tasks solved, and nobody answers", harmless, absent, _solved)
    add(
        "**attacks that happen** if every question is approved",
        by_tool,
        Manner("credulous", Order.ALONE),
        _succeeded,
    )
    add(
        "the same, asked of a tool that is an agent",
        by_tool,
        Manner("credulous", Order.ALONE, Form.DELEGATED),
        _succeeded,
    )
    unanswered = {words: Manner("absent", order) for order, words in _ORDERS.items()}
    answered = {_ORDERS[order]: Manner("attentive", order) for order in (Order.LAST, Order.FIRST)}
    formed = {words: Manner("absent", Order.ALONE, form) for form, words in _FORMS.items()}
    add_each("attacks that happen, nobody answers", unanswered, _succeeded)
    add_each("attacks that happen, an attentive person", answered, _succeeded)
    add("tasks solved under attack, an attentive person", by_tool, attentive, _solved)
    add_each("runs with a call made unasked, nobody answers", unanswered, _leaks)
    add_each("the same in their place", formed, _leaks)
    add("attacks by the answer's text alone, which no call makes", by_text, absent, _succeeded)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def frontier(found: Mapping[str, Sequence[Outcome]]) -> str:
    """The table of policies: what each asks, and what it lets happen."""
    lines = [
        "| policy | questions | attacks that happen after the user's calls | before them |",
        "|---|---|---|---|",
    ]
    for name, outcomes in found.items():
        harmless = [outcome for outcome in outcomes if outcome.case.attack is None]
        by_tool = [
            outcome for outcome in outcomes if outcome.case.attack is not None and not outcome.says_only
        ]
        asked = sum(outcome.questions for outcome in harmless if outcome.manner == Manner("attentive"))
        unasked = [
            _share([outcome for outcome in by_tool if outcome.manner == Manner("absent", order)], _succeeded)
            for order in (Order.LAST, Order.FIRST)
        ]
        lines.append(f"| {name} | {asked} | {' | '.join(unasked)} |")
    return "\n".join(lines)


def _share(outcomes: Sequence[Outcome], count: Count, *, of: bool = True) -> str:
    if not outcomes:
        return "–"
    number = sum(map(count, outcomes))
    return f"{number} of {len(outcomes)}" if of else str(number)


def _solved(outcome: Outcome) -> int:
    return outcome.solved


def _succeeded(outcome: Outcome) -> int:
    return outcome.succeeded


def _leaks(outcome: Outcome) -> int:
    return bool(outcome.unasked)
