"""Alice's application for leave, on days for which the sandbox's leave service takes applications today."""

from tests.clock import date_in
from tests.graph.scripted_model import calls

FIRST_DAY = date_in(7)
"""Nobody is on leave then, nor on the ten days after it, whatever day the tests end on."""
LATER_DAY = date_in(11)
"""After the days of `LEAVE`."""
LEAVE = {"days": 3, "first_day": FIRST_DAY}
"""The arguments of `leave_apply`."""
APPLIES = calls(("leave_apply", LEAVE))
"""The response of a model that applies: the call waits for an approval."""
