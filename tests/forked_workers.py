"""The processes of `pytest -n`, forked from one that has imported the tests, which takes four seconds.

`python -IS tests/forked_workers.py NAME` stands where execnet starts an interpreter: it hands its standard
streams to the process that forks, and lives as long as the fork.
"""

import os
import signal
import socket
import sys
import types
from collections.abc import Iterable


def serve(listener: socket.socket, number: int) -> None:
    """Imports the tests, forks a process for each of the first connections, and waits for their ends."""
    _import_tests()
    for _ in range(number):
        connection, _ = listener.accept()
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        if os.fork() == 0:
            listener.close()
            _interpret(streams)
            os._exit(0)
        for each in (*streams, connection.detach()):
            os.close(each)
    listener.close()
    for _ in range(number):
        os.wait()


def _import_tests() -> None:
    """Collects them. In a fresh clone they are compiled too: another process begins with the last ones."""
    import contextlib
    import io
    from pathlib import Path

    import pytest

    folders = sorted((str(each) for each in Path("tests").iterdir() if each.is_dir()), reverse=True)
    other = os.fork()
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["--collect-only", "--capture=no", *([] if other else folders)])
    if not other:
        os._exit(0)
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)


def _interpret(streams: Iterable[int]) -> None:
    """Does what `python -c "import sys;exec(eval(sys.stdin.readline()))"` does with these streams."""
    for own, stream in enumerate(streams):
        os.dup2(stream, own)
        os.close(stream)
    sys.argv = ["-c"]
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    with open(0, closefd=False) as sys.stdin:
        exec(eval(sys.stdin.readline()), vars(main))  # noqa: S102, S307 - what execnet sends


def _connect(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(f"\0{name}")
        socket.send_fds(connection, [b"\0"], [0, 1, 2])
        connection.recv(1)


if __name__ == "__main__":
    try:
        _connect(sys.argv[1])
    except ConnectionRefusedError:  # in place of a process that crashed
        os.execv(sys.executable, [sys.executable, *sys.argv[2:]])  # noqa: S606
