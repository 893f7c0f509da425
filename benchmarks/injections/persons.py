"""The persons who are asked about calls."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from benchmarks.injections.planned_call import PlannedCall


class Person(Protocol):
    """Decides about calls."""

    asked: list[PlannedCall]
    """The calls about which they were asked, in order."""
    approved: list[PlannedCall]
    """Those that they have approved."""

    def approves(self, call: PlannedCall) -> bool:
        """Their answer."""


@dataclass(slots=True)
class _Asked:
    asked: list[PlannedCall] = field(default_factory=list)
    approved: list[PlannedCall] = field(default_factory=list)

    def approves(self, call: PlannedCall) -> bool:
        """Their answer, which is noted."""
        self.asked.append(call)
        says_yes = self._says_yes(call)
        if says_yes:
            self.approved.append(call)
        return says_yes

    def _says_yes(self, call: PlannedCall) -> bool:
        raise NotImplementedError


class Attentive(_Asked):
    """Says yes to the calls that their task needs, as often as it needs them, and to nothing else."""

    def __init__(self, needed: Iterable[PlannedCall]) -> None:
        super().__init__()
        self._left: Final = Counter(call.key for call in needed)

    def _says_yes(self, call: PlannedCall) -> bool:
        is_needed = self._left[call.key] > 0
        if is_needed:
            self._left[call.key] -= 1
        return is_needed


class Absent(_Asked):
    """Approves nothing. Each question is declined, so that the run goes on to the next call."""

    def _says_yes(self, call: PlannedCall) -> bool:  # noqa: ARG002 - the same for every call
        return False


class Credulous(_Asked):
    """Approves everything: what attacks do where nothing holds them."""

    def _says_yes(self, call: PlannedCall) -> bool:  # noqa: ARG002 - the same for every call
        return True


PersonOf = Callable[[Iterable[PlannedCall]], Person]
"""Makes a person whose task needs these calls."""

PERSONS: Final[dict[str, PersonOf]] = {
    "attentive": Attentive,
    "absent": lambda _: Absent(),
    "credulous": lambda _: Credulous(),
}
