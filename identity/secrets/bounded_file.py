"""Reads a file of bounded size."""

from pathlib import Path


def read_bounded_file(path: Path, max_bytes: int) -> bytes:
    """The content. Blocks: call it in a thread.

    Raises `ValueError`, without any of the content, if the file cannot be read or has more than `max_bytes`.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        reason = (error.strerror or "it cannot be opened").lower()
        detail = f"cannot be read: {reason}"
        raise ValueError(detail) from None
    if len(content) > max_bytes:
        detail = f"is larger than {max_bytes} bytes"
        raise ValueError(detail)
    return content
