"""The part of docs/referees.md that a run of a referee writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.referees.verdict import Verdict

PAGE: Final = Path(__file__).parents[2] / "docs" / "referees.md"


def written(page: str, name: str, text: str) -> str:
    """`page` with `text` between the marks of a referee. Raises `ValueError` without marks."""
    first = f"<!-- made by `make referees`, {name}: -->\n"
    last = f"<!-- end of `make referees`, {name} -->\n"
    before, begin, rest = page.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"the page lacks the marks of {name}")
    return f"{before}{begin}\n{text}\n{end}{after}"


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
