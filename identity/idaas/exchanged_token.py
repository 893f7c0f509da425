"""Whether a token that was issued in an exchange is the user's, as far as it shows."""

import jwt

from identity.secrets.secret import Secret


def is_agents_own(issued: Secret, subject_token: Secret, client_id: str) -> bool:
    """Whether the issued token's `sub` is the client, or `<client id>:…`, and the subject token's is not.

    IDaaS keeps the user's `sub` in an exchange. A server that ignores the grant type issues the agent's own
    token, under which a call would have the machine's rights. Tokens that are no JWTs show nothing; no
    signature is verified, because only the server that issued the token could have changed it.
    """
    subject = _subject(issued)
    own = subject == client_id or subject.startswith(f"{client_id}:")
    return own and subject != _subject(subject_token)


def _subject(token: Secret) -> str:
    try:
        claims = jwt.decode(token.reveal(), options={"verify_signature": False})
    except jwt.PyJWTError:
        return ""
    return str(claims.get("sub", ""))
