"""A value that is not shown by printing, logging, serializing or tracing."""

import hmac
from collections.abc import Callable
from typing import Any, NoReturn, Self

from pydantic import BaseModel, ConfigDict

REDACTED = "**redacted**"

_NO_FIELDS: set[str] = set()


class Unshown(BaseModel):
    """A value that no serializer shows: printing, JSON, msgpack, `vars()` and tracers have no member of it.
    Pickling raises `TypeError`; a copy is the same object.

    It is a pydantic model without fields, because every serializer of the stack accepts such a model. What it
    has is in a slot of the object, which no serializer reads: a subclass sets it by `object.__setattr__`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    __slots__ = ()

    def __init__(self) -> None:
        # In place of `super().__init__()`: the same state for a third of the time and memory. There is one
        # object for every cached credential of every user.
        set_attribute = object.__setattr__
        set_attribute(self, "__pydantic_fields_set__", _NO_FIELDS)
        set_attribute(self, "__pydantic_extra__", None)
        set_attribute(self, "__pydantic_private__", None)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret, or what contains one, cannot be pickled")


class Secret(Unshown):
    """Contains a token or key. Only `reveal()` returns it; call that where it is used, and nowhere else.

    Printing, formatting, JSON (pydantic, orjson, jsonable_encoder), msgpack (checkpoints), `vars()` and
    tracers show a constant or nothing; pickling raises `TypeError`; a copy is the same object. It does not
    protect against code that reads the memory of the process.
    """

    __slots__ = ("_reveal",)

    _reveal: Callable[[], str]

    def __init__(self, value: str) -> None:
        super().__init__()
        # A bound method, so that listing all attributes (`inspect.getmembers`) does not show the value.
        object.__setattr__(self, "_reveal", str(value).__str__)

    def reveal(self) -> str:
        """The value in clear."""
        return self._reveal()

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret is immutable")

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        value = self.reveal().encode(errors="surrogatepass")
        other_value = other.reveal().encode(errors="surrogatepass")
        return hmac.compare_digest(value, other_value)

    def __hash__(self) -> int:
        return hash(self.reveal())
