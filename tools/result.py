"""What a service answered, made fit for the model."""

from collections.abc import Iterable

from identity.redaction import redact
from identity.secret import Secret

MAX_CHARACTERS = 20_000


def presentable(text: str, presented: Iterable[Secret], limit: int = MAX_CHARACTERS) -> str:
    """`text` without the credentials that were `presented` to the service, and no longer than `limit`.

    A service that echoes its request would otherwise put the credential into the conversation.
    """
    text = redact(text, presented)
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n[cut after {limit} of {len(text)} characters]"
