"""The audit log: one JSON object a line, to the logger `idaas_agent.audit` and to its destination, if any.

A separate thread writes and hashes, so that a slow disk does not block the event loop. Unwritten records are
bounded. A write failure is reported in the log of the agent and on `/ready`; the first line after it,
`audit_resumed`, contains the number of records that were lost.
"""

import asyncio
import atexit
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import KW_ONLY, asdict, dataclass, field
from itertools import islice
from typing import Any, Final, Protocol

from identity.audit.chain import AuditKey, Head, LogEvent, audit_record, link, log_record
from identity.audit.event import AuditEvent
from identity.error_codes import IdentityCode
from identity.errors import AuditError
from identity.observation.metrics import Kind, Metrics

_LOG: Final = logging.getLogger("idaas_agent.audit_log")
_RECORDS: Final = logging.getLogger("idaas_agent.audit")
_AT_ONCE: Final = 500
_CLOSING_SECONDS: Final = 5.0


class Destination(Protocol):
    """Takes complete lines, in order. One thread uses it."""

    def append(self, lines: Sequence[str]) -> int:
        """Writes `lines`, and returns how many of them, from the first, are written: at least one.

        Raises `OSError` if not even the first can be written. Without lines it only finds out, as far as
        possible, whether it could write.
        """

    def heads(self) -> Sequence[Head]:
        """The latest lines of other chains that are already there; none if it is only written to."""
        return ()

    def close(self) -> None:
        """Releases what is open."""


@dataclass(slots=True)
class _ChainWriter:
    """Writes to `destination`, if there is one, and, if `logged`, to the logger. Not thread-safe.

    The first line is `audit_started`. Each record is one line, and is written once.
    """

    destination: Destination | None
    _: KW_ONLY
    key: AuditKey | None
    clock: Callable[[], float]
    logged: bool
    _head: Head = field(init=False, default_factory=lambda: Head(secrets.token_hex(8)))
    """The head of the latest written line: a line that could not be written leaves no gap."""

    def write(self, records: Sequence[dict[str, Any]]) -> int:
        """Writes `records`, and returns how many of them, from the first, are written.

        Raises `OSError` if nothing can be written; returns 0 if only `audit_started` could be. Without
        records it finds out whether it can write.
        """
        own = []
        if self._head.seq == 0:
            anchors = [] if self.destination is None else map(asdict, self.destination.heads())
            own = [log_record(self.clock(), LogEvent.STARTED, anchors=list(anchors))]
        written = self._append([*own, *records])
        return max(0, written - len(own))

    def close(self, *, in_order: bool) -> None:
        """Writes `audit_ended`, if all records are written and a line can be; releases the destination."""
        try:
            if in_order and self._head.seq > 0:
                self._append([log_record(self.clock(), LogEvent.ENDED)])
        except OSError:
            return
        finally:
            if self.destination is not None:
                self.destination.close()

    def _append(self, records: Sequence[dict[str, Any]]) -> int:
        logged = self.logged and _RECORDS.isEnabledFor(logging.INFO)
        if self.destination is None and not logged:
            return len(records)
        head = self._head
        links = []
        for record in records:
            links.append(link(record, head, self.key))
            head = links[-1][2]
        written = len(links)
        if self.destination is not None:
            written = self.destination.append([line for _, line, _ in links])
        for linked, line, head in links[:written]:
            self._head = head
            if logged:
                _RECORDS.info("audit", extra={"fields": linked, "json": line.rstrip("\n")})
        return written


@dataclass(frozen=True, slots=True)
class _Entry:
    record: dict[str, Any]
    written: Future[None] | None
    """Completes when the record is written; `None` if no caller waits for it."""

    def settle(self, error: OSError | None) -> None:
        if self.written is None or not self.written.set_running_or_notify_cancel():
            return
        if error is None:
            self.written.set_result(None)
        else:
            self.written.set_exception(error)


class AuditMeasures:
    """Since the start of one audit log: accepted records, failed attempts to write, and lost records."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        metrics = metrics or Metrics()
        self.records = self.failures = self.lost = 0
        metrics.observed(
            Kind.COUNTER,
            "idaas_agent.audit.records",
            "Records that the audit log accepted",
            unit="{record}",
            read=lambda: self.records,
        )
        metrics.observed(
            Kind.COUNTER,
            "idaas_agent.audit.failures",
            "Failed attempts to write the audit log",
            unit="{failure}",
            read=lambda: self.failures,
        )
        metrics.observed(
            Kind.COUNTER,
            "idaas_agent.audit.lost",
            "Records that the audit log lost",
            unit="{record}",
            read=lambda: self.lost,
        )


class AuditLog:
    """An `AuditSink`.

    Not `required`: `record` never waits. Records are written in batches, `gathering_seconds` after the first
    of each. After a write failure up to `capacity` records are kept and written later; further ones are
    counted as lost.

    `required`: `record` returns when the line is written, and raises `AuditError` if that takes longer than
    `seconds`. An action that follows `record` is therefore always on record.

    Needs no `start`: the thread starts with the first record. It may serve several event loops.
    """

    def __init__(
        self,
        destination: Destination | None = None,
        *,
        key: AuditKey | None = None,
        required: bool = False,
        logged: bool = True,
        capacity: int = 10_000,
        seconds: float = 5.0,
        retry_seconds: float = 1.0,
        gathering_seconds: float = 0.05,
        clock: Callable[[], float] = time.time,
        measures: AuditMeasures | None = None,
    ) -> None:
        """Opens nothing. Raises `ValueError` if records are required and there is no destination.

        `key` signs the lines. `logged`: they go to the logger too.
        """
        if required and destination is None:
            raise ValueError("required records need a destination")
        self._lines = _ChainWriter(destination, key=key, clock=clock, logged=logged)
        self._required = required
        self._capacity = capacity
        self._seconds = seconds
        self._retry_seconds = retry_seconds
        self._gathering_seconds = gathering_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._entries: deque[_Entry] = deque()
        self._writer: threading.Thread | None = None
        self._closing = False
        self._lost = 0
        self._failure: str | None = None
        self._measures = measures or AuditMeasures()

    async def record(self, event: AuditEvent) -> None:
        """See `AuditSink`."""
        written = Future[None]() if self._required else None
        taken = self._take(_Entry(audit_record(event), written))
        if written is None:
            return
        if not taken:
            raise AuditError(IdentityCode.AUDIT_UNAVAILABLE, "too many records are unwritten")
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.wrap_future(written)
        except TimeoutError:
            problem = f"the record was not written within {self._seconds:g} s"
        except OSError as error:
            problem = f"the record could not be written: {error.strerror}"
        else:
            return
        raise AuditError(IdentityCode.AUDIT_UNAVAILABLE, problem)

    async def check(self) -> None:
        """For readiness. Raises `AuditError` while records cannot be written or lost ones are unreported."""
        with self._changed:
            self._start()
        if self._failure is not None:
            raise AuditError(IdentityCode.AUDIT_UNAVAILABLE, self._failure)

    async def aclose(self) -> None:
        """Writes the remaining records, for at most 5 seconds, and ends the thread."""
        await asyncio.to_thread(self._close)

    def _take(self, entry: _Entry) -> bool:
        with self._changed:
            if self._closing or len(self._entries) >= self._capacity:
                self._lost += 1
                self._measures.lost += 1
                self._fail("records were lost: too many were unwritten")
                return False
            self._entries.append(entry)
            self._measures.records += 1
            self._start()
            # Waking the thread for each record would cost more than the record.
            if self._required or len(self._entries) in (1, _AT_ONCE):
                self._changed.notify_all()
            return True

    def _start(self) -> None:
        if self._writer is None and not self._closing:
            self._writer = threading.Thread(target=self._write, name="audit-log", daemon=True)
            self._writer.start()
            atexit.register(self._close)  # for processes that end without `aclose`

    def _close(self) -> None:
        atexit.unregister(self._close)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            writer = self._writer
        if writer is not None:
            writer.join(_CLOSING_SECONDS)
        if missing := len(self._entries) + self._lost:
            _LOG.error("the audit log ends without %d records", missing)

    def _write(self) -> None:
        """The thread: writes the oldest records first, in batches, and again what could not be written."""
        entries: list[_Entry] = []
        gap: int | None = None
        while True:
            try:
                self._append(entries, gap)
            except OSError as error:
                self._after_failure(entries, error)
                if self._closing:
                    break
            else:
                self._after_success(gap)
            with self._changed:
                self._changed.wait_for(lambda: self._entries or self._closing or self._failure)
                if not self._required:
                    self._changed.wait_for(self._enough, self._gathering_seconds)
                entries = list(islice(self._entries, _AT_ONCE))
                gap = self._lost if self._failure else None
                if self._closing and not entries:
                    break
        self._lines.close(in_order=not self._entries and self._failure is None)

    def _enough(self) -> bool:
        return self._closing or self._failure is not None or len(self._entries) >= _AT_ONCE

    def _append(self, entries: list[_Entry], gap: int | None) -> None:
        """Writes all, removing from `entries` what is written. Raises `OSError`."""
        if not entries and gap is None:
            self._lines.write([])
        while entries:
            written = self._lines.write([entry.record for entry in entries])
            with self._changed:
                for _ in range(written):
                    self._entries.popleft()
            for entry in entries[:written]:
                entry.settle(None)
            del entries[:written]
        if gap is not None:
            while not self._lines.write([log_record(self._clock(), LogEvent.RESUMED, lost=gap)]):
                pass

    def _after_success(self, gap: int | None) -> None:
        if gap is None:
            return
        with self._changed:
            self._lost -= gap
            self._failure = None if self._lost == 0 else self._failure
            _LOG.warning("the audit log is written again; %d records were lost", gap)

    def _after_failure(self, entries: list[_Entry], error: OSError) -> None:
        with self._changed:
            self._measures.failures += 1
            self._fail(f"the audit log cannot be written: {error.strerror}")
            if self._required:  # the action does not happen: written later, its record would be wrong
                for entry in entries:
                    self._entries.popleft()
                    entry.settle(error)
            self._changed.wait_for(
                lambda: self._closing or (self._required and self._entries), self._retry_seconds
            )

    def _fail(self, problem: str) -> None:
        if self._failure is None:
            _LOG.error("%s", problem)
        self._failure = problem
