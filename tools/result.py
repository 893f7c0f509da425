"""The text of a result, as the model reads it."""

import re
from collections.abc import Iterable
from typing import Final

from identity.secrets.redaction import redact
from identity.secrets.secret import Secret

MAX_CHARACTERS: Final = 20_000
_CUT: Final = re.compile(r"^\[cut after \d+ of \d+ characters\]$", re.MULTILINE)


def model_text(text: str, presented: Iterable[Secret], limit: int = MAX_CHARACTERS) -> str:
    """`text` without the credentials that were `presented` to the service, and cut after `limit` characters.

    A service that echoes its request would otherwise put the credential into the conversation.
    """
    text = redact(text, presented)
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[cut after {limit} of {len(text)} characters]"


def was_cut(text: str) -> bool:
    """Whether `model_text` has cut `text`, or its service says the same."""
    return _CUT.search(text) is not None
