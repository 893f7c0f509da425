"""Records that features keep beside a value of the core, which holds them and knows none of them.

A feature's file has the type of its record, and finds it by that type:
`request.extensions.get(KeptArguments)`.
"""

from typing import Final, TypeVar

Record = TypeVar("Record")


class Extensions:
    """At most one record of each type. Two are equal if their records are."""

    __slots__ = ("_records",)

    def __init__(self, *records: object) -> None:
        """If several records have one type, the last one counts."""
        self._records: Final = {type(record): record for record in records}

    def get(self, kind: type[Record]) -> Record | None:
        """The record of this very type."""
        record = self._records.get(kind)
        return record if isinstance(record, kind) else None

    def having(self, record: object) -> "Extensions":
        """These, with `record` in place of the one of its type."""
        return Extensions(*self._records.values(), record)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Extensions) and self._records == other._records

    def __hash__(self) -> int:
        return hash(frozenset(self._records))

    def __repr__(self) -> str:
        return f"Extensions({', '.join(map(repr, self._records.values()))})"


NO_EXTENSIONS: Final = Extensions()
