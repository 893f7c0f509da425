"""How large the arguments of a tool call may be. The model chooses them."""

from collections.abc import Mapping
from typing import Any, Final

from identity.transport.json_size import TooLargeError, check_size
from tools.arguments.fault import ArgumentFault

MAX_NODES: Final = 10_000
MAX_DEPTH: Final = 32
MAX_CHARACTERS: Final = 256 * 1024


def size_fault(arguments: Mapping[str, Any]) -> ArgumentFault | None:
    """Why `arguments` are too large for a call of any tool; `None` if they are not."""
    try:
        check_size(dict(arguments), nodes=MAX_NODES, depth=MAX_DEPTH, characters=MAX_CHARACTERS)
    except TooLargeError as error:
        return ArgumentFault("", str(error))
    return None
