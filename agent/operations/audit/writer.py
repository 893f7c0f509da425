"""Writes records as the lines of one chain, to one destination and to the logger `idaas_agent.audit`."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from agent.operations.audit.chain import Chain, Head
from agent.operations.audit.destination import Destination
from agent.operations.audit.key import AuditKey
from agent.operations.audit.record import ended_record, started_record

_RECORDS: Final = logging.getLogger("idaas_agent.audit")


class ChainWriter:
    """Writes to `destination`, if there is one, and, if `logged`, to the logger. Not thread-safe.

    The first line is `audit_started`. Each record is one line, and is written once.
    """

    def __init__(
        self,
        destination: Destination | None,
        *,
        key: AuditKey | None,
        clock: Callable[[], float],
        logged: bool = True,
    ) -> None:
        self._destination = destination
        self._chain = Chain(key)
        self._clock = clock
        self._logged = logged

    def write(self, records: Sequence[dict[str, Any]]) -> int:
        """Writes `records`, and returns how many of them, from the first, are written.

        Raises `OSError` if nothing can be written; returns 0 if only `audit_started` could be. Without
        records it finds out whether it can write.
        """
        begun = self._chain.head.seq > 0
        own = [] if begun else [started_record(self._clock(), self._anchors())]
        written = self._append([*own, *records])
        return max(0, written - len(own))

    def close(self, *, in_order: bool) -> None:
        """Writes `audit_ended`, if all records are written and a line can be; releases the destination."""
        try:
            if in_order and self._chain.head.seq > 0:
                self._append([ended_record(self._clock())])
        except OSError:
            return
        finally:
            if self._destination is not None:
                self._destination.close()

    def _anchors(self) -> Sequence[Head]:
        return [] if self._destination is None else self._destination.heads()

    def _append(self, records: Sequence[dict[str, Any]]) -> int:
        logged = self._logged and _RECORDS.isEnabledFor(logging.INFO)
        if self._destination is None and not logged:
            return len(records)
        head, links = self._chain.head, []
        for record in records:
            links.append(self._chain.link(record, head))
            head = links[-1][2]
        written = len(links)
        if self._destination is not None:
            written = self._destination.append([line for _, line, _ in links])
        for linked, line, head in links[:written]:
            self._chain.head = head
            if logged:
                _RECORDS.info("audit", extra={"fields": linked, "json": line.rstrip("\n")})
        return written
