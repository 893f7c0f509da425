"""A token that the platform keeps in a file and replaces there."""

from pathlib import Path

from identity.secrets.bounded_file import read_bounded_file
from identity.secrets.secret import Secret

_MAX_BYTES = 16_384


def read_token_file(path: Path) -> Secret:
    """The token in the file, without white space around it. Blocks: call it in a thread.

    Raises `ValueError`, without the token, if there is no usable one.
    """
    content = read_bounded_file(path, _MAX_BYTES)
    token = content.decode("ascii", "replace").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise ValueError("contains no token")
    return Secret(token)
