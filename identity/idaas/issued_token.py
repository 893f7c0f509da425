"""What a token says of itself that was issued to the agent. No signature is verified."""

from typing import Any

import jwt

from identity.secrets.secret import Secret


def is_of_subject(issued: Secret, subject_token: Secret) -> bool:
    """Whether both tokens are JWTs with the same `sub`, which IDaaS keeps in an exchange.

    A call under another `sub` would have another user's rights or, from a server that ignores the grant type,
    the agent's own. No signature is verified: only the server that issued the token could have changed it.
    """
    subject = _claim(subject_token, "sub")
    return isinstance(subject, str) and subject != "" and _claim(issued, "sub") == subject


def end_of(issued: Secret, promised: float) -> float:
    """`promised`, or the `exp` of the token, if it is a JWT that ends earlier."""
    end = _claim(issued, "exp")
    earlier = isinstance(end, int | float) and not isinstance(end, bool) and end < promised
    return float(max(0.0, end)) if earlier else promised


def _claim(token: Secret, name: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return jwt.decode(token.reveal(), options={"verify_signature": False}).get(name)
    except jwt.PyJWTError:
        return None
