"""A fault of the arguments of a tool call."""

from collections.abc import Sequence
from dataclasses import dataclass


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
