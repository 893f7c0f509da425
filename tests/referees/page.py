"""The part of docs/referees.md that a run of a referee writes."""

from collections.abc import Iterator
from typing import Final

from tests.generated_page import GeneratedPage
from tests.referees.verdict import Verdict

PAGE: Final = GeneratedPage.named("referees.md", "make referees")


def results(verdict: Verdict, about: str) -> str:
    """What was run, the cases of each group, and the differences with their reasons."""
    return "\n".join(_lines(verdict, about))


def _lines(verdict: Verdict, about: str) -> Iterator[str]:
    yield f"{about}\n"
    yield "| cases | number | passed | differ | skipped by the suite |"
    yield "|---|---:|---:|---:|---:|"
    groups = dict.fromkeys(case.group for case in verdict.cases)
    for group in groups:
        cases = verdict.of_group(group)
        skipped = sum(1 for case in cases if case.is_skipped)
        differ = sum(1 for case in cases if case.fault) - skipped
        passed = len(cases) - differ - skipped
        yield f"| {group} | {len(cases):,} | {passed:,} | {differ:,} | {skipped:,} |"
    if not verdict.differences:
        return
    yield ""
    yield "| what differs | cases | why |"
    yield "|---|---:|---|"
    for row in verdict.differences:
        pattern = row.cases.replace("|", "\\|")
        yield f"| `{pattern}` | {len(verdict.explained_by(row)):,} | {row.why} |"
