"""Whether a token that was issued in an exchange is the caller's."""

from typing import Any

import jwt

from identity.secrets.secret import Secret


def is_of_subject(issued: Secret, subject_token: Secret) -> bool:
    """Whether both tokens are JWTs with the same `sub`, which IDaaS keeps in an exchange.

    A call under another `sub` would have another user's rights or, from a server that ignores the grant type,
    the agent's own. No signature is verified: only the server that issued the token could have changed it.
    """
    subject = _subject(subject_token)
    return isinstance(subject, str) and subject != "" and _subject(issued) == subject


def _subject(token: Secret) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return jwt.decode(token.reveal(), options={"verify_signature": False}).get("sub")
    except jwt.PyJWTError:
        return None
