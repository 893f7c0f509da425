"""A value that cannot leave by accident."""

from typing import Any, NoReturn, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr

REDACTED = "**redacted**"


class Secret(BaseModel):
    """Holds a token or key. Only `reveal()` gives it back; call that at the point of use and nowhere else.

    Printing, formatting, JSON (pydantic, orjson, jsonable_encoder), msgpack (checkpoints) and tracers see a
    constant; pickling is refused; a copy is the same object. It does not protect against somebody who can
    read the memory of the process.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    _value: str = PrivateAttr()

    def __init__(self, value: str) -> None:
        super().__init__()
        self._value = value

    def reveal(self) -> str:
        """The value in clear."""
        return self._value

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled")
