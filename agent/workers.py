"""Several processes that serve one socket, and the process that starts and stops them.

One that is killed from outside is replaced; one that fails by itself would fail again, so all stop. A signal
to the parent, or to all of them as Ctrl-C is, stops all: the first lets answers go on, the second does not.
If the parent is killed, the others stop by themselves.
"""

import logging
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Final

_LOG: Final = logging.getLogger("idaas_agent.workers")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Workers:
    """`count` processes that call `work` with the socket; it must be importable and obey SIGTERM."""

    def __init__(self, count: int, listener: socket.socket, work: Callable[[socket.socket], None]) -> None:
        self._count = count
        self._listener = listener
        self._work = work
        self._processes: set[BaseProcess] = set()
        self._status = 0
        self._stopping = False

    def run(self) -> int:
        """Serves until stopped, and returns the exit status: 0, or that of the process that failed."""
        told, tell = socket.socketpair()
        with told, tell:
            told.setblocking(False)
            tell.setblocking(False)
            signal.set_wakeup_fd(tell.fileno())
            for number in _SIGNALS:
                signal.signal(number, lambda *_: None)  # what is written to `tell` is what counts
            for _ in range(self._count):
                self._start()
            while self._processes:
                ready = wait([told, *(process.sentinel for process in self._processes)])
                if told in ready:
                    for _ in told.recv(64):  # a byte for each signal
                        self._stop()
                for process in [each for each in self._processes if each.sentinel in ready]:
                    self._ended(process)
            signal.set_wakeup_fd(-1)
        return self._status

    def _start(self) -> None:
        process = multiprocessing.get_context("spawn").Process(
            target=_worker, args=(self._work, self._listener)
        )
        # Ctrl-C reaches all processes of a terminal; the parent alone decides what it means. The tracker's
        # own start would unblock the signal.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        self._processes.add(process)

    def _stop(self) -> None:
        self._stopping = True
        self._listener.close()  # or clients would wait in its queue
        for process in self._processes:
            process.terminate()

    def _ended(self, process: BaseProcess) -> None:
        process.join()
        self._processes.discard(process)
        status = process.exitcode or 0
        if self._stopping:
            self._status = self._status or max(status, 0)
        elif status < 0:
            _LOG.error("worker %s was killed by signal %d; another takes its place", process.pid, -status)
            self._start()
        else:
            _LOG.error("worker %s ended with status %d; all stop", process.pid, status)
            self._status = status or 1
            self._stop()


def _worker(work: Callable[[socket.socket], None], listener: socket.socket) -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        _stop_with(parent)
    work(listener)


def _stop_with(parent: BaseProcess) -> None:
    """A stop signal to this process when `parent` is gone."""

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
