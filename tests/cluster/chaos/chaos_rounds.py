"""Rounds and runs for the tests, with values that a round without a fault has."""

from dataclasses import replace

from cluster.chaos.chaos_run import ChaosRound, ChaosRun
from cluster.chaos.stage import Disturbance
from cluster.person import Step

RUN = ChaosRun("chen", "What is the weather?", Step.CALLING, 3.2, 0, ("4.1 s answered",), ())
APPROVER = replace(RUN, person="dara", asked="Apply for leave", step=Step.WAITING, approvals=1)
ROUND = ChaosRound(
    1, 1001, Disturbance.REPLICA, 2.0, (RUN, APPROVER), {"amap": 1, "leave": 1}, {"amap": 2, "leave": 1}, 1
)
