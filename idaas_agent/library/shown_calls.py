"""The ids of calls as a server shows and keeps them.

A model server may give every call the id `call_1`. In the graph the message tells such calls apart, and
everywhere else their ids do.
"""

import hashlib
from typing import Final

_CHARACTERS: Final = 14
"""The length of each digest: model servers take ids of 40 characters at most."""


def shown_id(origin: str | None, call_id: str) -> str:
    """The id of the call that has `call_id` in the message or the task `origin`. One that this has returned
    before stays. Without an origin, `call_id`.
    """
    if not origin:
        return call_id
    beginning = f"call_{_digest(origin)}"
    return call_id if call_id.startswith(beginning) else beginning + _digest(call_id)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_CHARACTERS]
