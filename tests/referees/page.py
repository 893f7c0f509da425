"""The part of docs/referees.md that a run of a referee writes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.generated_page import GeneratedPage
from tests.referees.referee import Case
from tests.referees.verdict import Verdict

PAGE: Final = GeneratedPage.named("referees.md", "make referees")
MANY: Final = 7
"""From how many groups that passed whole the page has one row for all of them."""


def results(verdict: Verdict, about: str) -> str:
    """What was run, the cases of each group, and the differences with their reasons."""
    return "\n".join(_lines(verdict, about))


def _lines(verdict: Verdict, about: str) -> Iterator[str]:
    yield f"{about}\n"
    counts = [
        _counts(group, verdict.of_group(group))
        for group in dict.fromkeys(case.group for case in verdict.cases)
    ]
    passed = [row for row in counts if row.passed == row.number]
    has_skipped = any(row.skipped for row in counts)
    shown_whole = len(passed) < MANY
    yield "| cases | number | passed |" + (" skipped by the suite |" if has_skipped else "")
    yield "|---|---:|---:|" + ("---:|" if has_skipped else "")
    for row in counts:
        if shown_whole or row not in passed:
            yield row.line(has_skipped=has_skipped)
    if not shown_whole:
        number = sum(row.number for row in passed)
        yield _Counts(f"{len(passed)} others", number, number, 0).line(has_skipped=has_skipped)
    if reasons := _reasons(verdict):
        yield ""
        yield "| not passed | why |"
        yield "|---:|---|"
        for why, number in reasons.items():
            yield f"| {number:,} | {why} |"


@dataclass(frozen=True, slots=True)
class _Counts:
    group: str
    number: int
    passed: int
    skipped: int

    def line(self, *, has_skipped: bool) -> str:
        skipped = f" {self.skipped:,} |" if has_skipped else ""
        return f"| {self.group} | {self.number:,} | {self.passed:,} |{skipped}"


def _counts(group: str, cases: Sequence[Case]) -> _Counts:
    passed = sum(1 for case in cases if not case.fault)
    skipped = sum(1 for case in cases if case.is_skipped)
    return _Counts(group, len(cases), passed, skipped)


def _reasons(verdict: Verdict) -> dict[str, int]:
    """How many cases each reason explains. A reason that this run did not need is left out."""
    reasons: dict[str, int] = {}
    for row in verdict.differences:
        if explained := len(verdict.explained_by(row)):
            reasons[row.why] = reasons.get(row.why, 0) + explained
    return reasons
