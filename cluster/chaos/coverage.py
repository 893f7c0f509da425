"""Which steps a disturbance has struck, and how often: rounds go on until each has been."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cluster.chaos.chaos_run import ChaosRound
from cluster.chaos.disturbance import Disturbance
from cluster.person import Step


@dataclass(frozen=True)
class Coverage:
    """Each of `strikes` is to meet each of `steps` as often as `times`, in `rounds`, or in `most` of them."""

    strikes: Sequence[Disturbance]
    steps: Sequence[Step]
    """From the first of a chat to the last."""
    rounds: int
    most: int
    times: int

    def next(self, played: Sequence[ChaosRound]) -> Disturbance | None:
        """Each strike in turn, and then those that have met a step too seldom; `None`: it is enough."""
        if len(played) < self.rounds:
            return self.strikes[len(played) % len(self.strikes)]
        lacks = self.missing(played) if len(played) < self.most else []
        return lacks[0][0] if lacks else None

    def aim(self, played: Iterable[ChaosRound], strike: Disturbance) -> Step:
        """The step that was struck least often; the last of them, since others are at earlier ones then."""
        counted = _struck(played, strike)
        return min(reversed(self.steps), key=lambda step: counted[step])

    def missing(self, played: Sequence[ChaosRound]) -> list[tuple[Disturbance, Step]]:
        """What was struck too seldom."""
        return [
            (strike, step)
            for strike in self.strikes
            for counted in [_struck(played, strike)]
            for step in self.steps
            if counted[step] < self.times
        ]


def _struck(played: Iterable[ChaosRound], strike: Disturbance) -> Counter[Step]:
    """How many chats were at each step."""
    return Counter(
        run.step for each in played if each.disturbance is strike for run in each.runs if run.struck
    )
