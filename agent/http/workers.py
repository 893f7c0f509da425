"""Several processes that serve one socket, and the process that starts and stops them.

A killed worker is replaced, after a pause if it was killed soon after its start; if that happens several
times in a row, all stop. A worker that fails by itself would fail again, so all stop. A signal to the parent,
or to all as by Ctrl-C, stops all: the first lets responses continue, the second does not. Workers stop with
their delay only after SIGTERM. If the parent is killed, the workers stop by themselves.
"""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from agent.http.web_server import STOP_NOW

_LOG: Final = logging.getLogger("idaas_agent.workers")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_EARLY_SECONDS: Final = 60.0
"""A death is early within this time of the start."""
_MOST_EARLY_DEATHS: Final = 6


def replacement_pause(early_deaths: int) -> float | None:
    """The seconds before a killed worker is replaced, after `early_deaths` in a row: 1 after the first, and
    twice as many after each other; `None` if there is no replacement.
    """
    if early_deaths == 0:
        return 0.0
    if early_deaths >= _MOST_EARLY_DEATHS:
        return None
    return 2.0 ** (early_deaths - 1)


@dataclass(slots=True)
class _Place:
    """The place of one worker, with the number of early deaths of its processes in a row."""

    early_deaths: int = 0
    started_at: float = 0.0
    due_at: float = 0.0


@dataclass(eq=False, slots=True)
class Workers:
    """`count` processes that call `work` with the socket; it must be importable, and obey SIGTERM and
    `STOP_NOW`.

    With `link`, `work` gets as its second argument what `link` returned for this process: the process's end
    of a pipe to the parent.

    The parent uses `pause`, which is `replacement_pause`, `clock`, and `wait`, which is
    `multiprocessing.connection.wait`.
    """

    count: InitVar[int]
    listener: socket.socket
    work: Callable[..., None]
    _: KW_ONLY
    link: Callable[[], Connection] | None = None
    pause: Callable[[int], float | None] = replacement_pause
    clock: Callable[[], float] = time.monotonic
    wait: Callable[..., Sequence[object]] = wait
    _processes: dict[BaseProcess, _Place] = field(init=False, default_factory=dict)
    _empty: list[_Place] = field(init=False)
    _status: int = field(init=False, default=0)
    _stopping: bool = field(init=False, default=False)

    def __post_init__(self, count: int) -> None:
        self._empty = [_Place() for _ in range(count)]

    def run(self) -> int:
        """Serves until stopped, and returns the exit status: 0, or the failed process's."""
        reader, writer = socket.socketpair()
        with reader, writer:
            reader.setblocking(False)
            writer.setblocking(False)
            signal.set_wakeup_fd(writer.fileno())
            for number in _SIGNALS:
                signal.signal(number, lambda *_: None)  # the wakeup descriptor reports the signal
            self._fill()
            while self._processes or self._empty:
                sentinels = [process.sentinel for process in self._processes]
                ready = self.wait([reader, *sentinels], self._until_due())
                if reader in ready:
                    for received in reader.recv(64):  # a byte for each signal
                        wanted = signal.SIGTERM if received == signal.SIGTERM else STOP_NOW
                        self._stop(wanted)
                ended = [process for process in self._processes if process.sentinel in ready]
                for process in ended:
                    self._ended(process)
                self._fill()
            signal.set_wakeup_fd(-1)
        return self._status

    def _until_due(self) -> float | None:
        due = min((place.due_at for place in self._empty), default=None)
        return None if due is None else max(0.0, due - self.clock())

    def _fill(self) -> None:
        now = self.clock()
        due = [place for place in self._empty if place.due_at <= now]
        for place in due:
            self._empty.remove(place)
            self._start(place)

    def _start(self, place: _Place) -> None:
        links = [] if self.link is None else [self.link()]
        process = multiprocessing.get_context("spawn").Process(
            target=_worker, args=(self.work, self.listener, *links)
        )
        # Ctrl-C reaches all processes of a terminal; the parent alone decides what it means. The tracker's
        # own start would unblock the signal.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            for link in links:
                link.close()  # the worker has its own descriptor of it
        place.started_at = self.clock()
        self._processes[process] = place

    def _stop(self, number: signal.Signals = STOP_NOW) -> None:
        self._stopping = True
        self.listener.close()  # else clients would wait in its queue
        self._empty.clear()
        for process in self._processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, number)

    def _ended(self, process: BaseProcess) -> None:
        process.join()
        place = self._processes.pop(process)
        status = process.exitcode or 0
        if self._stopping:
            self._status = self._status or max(status, 0)
        elif status < 0:
            self._killed(process, -status, place)
        else:
            _LOG.error("worker %s exited with status %d; all stop", process.pid, status)
            self._status = status or 1
            self._stop()

    def _killed(self, process: BaseProcess, number: int, place: _Place) -> None:
        lived = self.clock() - place.started_at
        place.early_deaths = place.early_deaths + 1 if lived < _EARLY_SECONDS else 0
        pause = self.pause(place.early_deaths)
        if pause is None:
            _LOG.critical(
                "worker %s was killed by signal %d, %.0f s after its start, %d early deaths in a "
                "row; all stop. Signal 9 often means that there is too little memory for so many workers",
                *(process.pid, number, lived, place.early_deaths),
            )
            self._status = 1
            self._stop()
            return
        _LOG.error("worker %s was killed by signal %d; it is replaced in %.0f s", process.pid, number, pause)
        place.due_at = self.clock() + pause
        self._empty.append(place)


def _worker(work: Callable[..., None], listener: socket.socket, *links: Connection) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        _stop_with(parent)
    try:
        work(listener, *links)
    except Exception:  # noqa: BLE001 - the process ends here
        _LOG.exception("the worker failed")  # multiprocessing would print it outside of the log
        sys.exit(1)


def _stop_with(parent: BaseProcess) -> None:
    """Stops this process by a signal when `parent` has ended."""

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), STOP_NOW)

    threading.Thread(target=watch, name="parent", daemon=True).start()
