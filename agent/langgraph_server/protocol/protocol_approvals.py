"""Whether a command of the event-streaming protocol fits the approval that waits on its thread.

The auth handler checks the same for every run (`agent.langgraph_server.admission.run_admission`), but there
the server makes an error of one kind of every refusal. Here a client learns the protocol's code.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from agent.langgraph_server.admission.run_input import checked_input
from agent.langgraph_server.protocol.protocol_command import CommandRefusal, answers
from graph.approvals.record import ApprovalState
from graph.error_codes import GraphCode
from identity.errors import ApprovalError
from identity.telemetry.request_id import REQUEST_ID


def approval_refusal(
    method: str, params: Mapping[str, Any], approvals: Sequence[ApprovalState]
) -> CommandRefusal | None:
    """The refusal of an input while an approval is open, and of what is not the one answer that is missing.

    Not checked: that the interrupt of an answer is the thread's, which the server does.
    """
    given = answers(params)
    if method == "input.respond" and len(given) > 1:
        return CommandRefusal("invalid_argument", "one approval is open at a time: answer only that one")
    try:
        if method == "run.start":
            checked_input(params.get("input"), None, approvals, time.time())
        elif method == "input.respond" and given:
            [response] = given.values()
            checked_input(None, {"resume": response}, approvals, time.time())
    except ApprovalError as error:
        answered = error.code is GraphCode.APPROVAL_USED
        code = "invalid_argument" if approvals and not answered else "no_such_interrupt"
        return CommandRefusal(code, f"{error.code}: {error.for_person(REQUEST_ID.get())}")
    return None
