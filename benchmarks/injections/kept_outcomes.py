"""The outcomes of runs in a file, a line for each as soon as it is there: what was ended goes on there."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.injections.outcome import Manner, Outcome
from benchmarks.injections.suites import Case


@dataclass(frozen=True, slots=True)
class KeptOutcomes:
    """Those of one suite under one policy. One process writes them."""

    file: Path

    def begin(self) -> list[Outcome]:
        """What is there. The line that was not whole when the last process ended is removed."""
        text = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(whole, encoding="utf-8")
        return self.all()

    def add(self, outcome: Outcome) -> None:
        """Keeps an outcome."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")

    def all(self) -> list[Outcome]:
        """All outcomes."""
        lines = self.file.read_text(encoding="utf-8").splitlines()
        return [Outcome.of_json(json.loads(line)) for line in lines]


def left(runs: Iterable[tuple[Case, Manner]], made: Iterable[Outcome]) -> Iterator[tuple[Case, Manner]]:
    """The runs whose outcome is not there."""
    known = {(outcome.case, outcome.manner) for outcome in made}
    return (run for run in runs if run not in known)
