"""A token that the platform keeps in a file and replaces there."""

from pathlib import Path

from identity.secrets.secret import Secret

_MAX_BYTES = 16_384


def read_token_file(path: Path) -> Secret:
    """The token in the file, without white space around it. Blocks: call it in a thread.

    Raises `ValueError`, without the token, if there is no usable one.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        detail = f"cannot be read: {reason}"
        raise ValueError(detail) from None
    token = content.decode("ascii", "replace").strip()
    if len(content) > _MAX_BYTES or not token or not token.isascii() or not token.isprintable():
        raise ValueError("contains no token")
    return Secret(token)
