"""A fault of the arguments of a tool call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from identity.transport.json_size import TooLargeError, check_size


@dataclass(frozen=True, slots=True)
class ArgumentFault:
    """`argument` is the path of the faulty one, such as `order.amount`; empty if it is none of them.

    `problem` is for the model, and may quote the value.
    """

    argument: str
    problem: str

    def __str__(self) -> str:
        return f'"{self.argument or "arguments"}": {self.problem}'


def invalid_arguments(faults: Sequence[ArgumentFault]) -> str:
    """The result of a call with `faults`, for the model."""
    return f"invalid arguments: {'; '.join(map(str, faults))}"


INTEGERS: Final = range(-(2**63), 2**64)
"""Integers that a checkpoint of a run can store."""
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
