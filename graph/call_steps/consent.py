"""A call whose service no longer knew a credential in use is made again, once its user has consented."""

import uuid

from langchain_core.messages import ToolCall

from graph.call_steps.call import Call, Outcome, Proceed
from identity.errors import ConsentRequiredError


async def repeat_after_consent(call: Call, proceed: Proceed) -> Outcome:
    """Proposes the call once more, in a response of its own before which the run waits for the consent. One
    that changes something may have begun to, and is not repeated; nor is one of a run that cannot wait.
    """
    outcome = await proceed(call)
    was_sent = call.result is not None and call.result.called
    can_wait = call.pending.conversation is not None
    if isinstance(call.error, ConsentRequiredError) and was_sent and can_wait and call.only_reads:
        again = ToolCall({**call.pending.call, "id": uuid.uuid4().hex})
        call.update.setdefault("proposed", []).append(again)
    return outcome
