"""What a run of a referee has shown: which differences are explained, and which are not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.referees.referee import Case, Difference


@dataclass(frozen=True, slots=True)
class Verdict:
    """The cases of one run, judged by the differences that the table explains."""

    cases: Sequence[Case]
    differences: Sequence[Difference]

    @property
    def failed(self) -> Sequence[Case]:
        """The cases that did not pass."""
        return [case for case in self.cases if case.fault]

    @property
    def unexplained(self) -> Sequence[Case]:
        """The failed cases that no row is about."""
        return [case for case in self.failed if not any(row.covers(case) for row in self.differences)]

    @property
    def obsolete(self) -> Sequence[Difference]:
        """The rows that are about no failed case: what they explain was mended, or was never there."""
        return [row for row in self.differences if not (row.sometimes or self.explained_by(row))]

    @property
    def holds(self) -> bool:
        """Whether each failure is explained, and each explanation is needed."""
        return bool(self.cases) and not self.unexplained and not self.obsolete

    def explained_by(self, row: Difference) -> Sequence[Case]:
        """The failed cases of a row: the first that is about a case has it."""
        return [case for case in self.failed if first_that_covers(case, self.differences) is row]

    def of_group(self, group: str) -> Sequence[Case]:
        """The cases of a group."""
        return [case for case in self.cases if case.group == group]


def first_that_covers(case: Case, rows: Iterable[Difference]) -> Difference | None:
    """The first row about a case."""
    return next((row for row in rows if row.covers(case)), None)
