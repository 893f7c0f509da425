"""Processes that share a socket, with minimal work."""

import os
import re
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from agent.http.workers import replacement_pause
from tests.command import Command, forked

pytestmark = pytest.mark.promise("shutdown-loses-nothing")

PROGRAM = """
import os, signal, socket, sys
from agent.http.workers import Workers

def work(listener):
    receiver, sender = os.pipe()
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, _: os.write(sender, bytes([number])))
    print("at work", os.getpid(), flush=True)
    if sys.argv[1] == "fail":
        sys.exit(7)
    for _ in range(int(sys.argv[1])):
        (number,) = os.read(receiver, 1)
        print("got", signal.Signals(number).name, flush=True)

if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pause = (0.0, 0.0, 0.0, None).__getitem__
        sys.exit(Workers(2, listener, work, pause=pause, clock=lambda: 0.0).run())
"""


Running = Callable[[str], AbstractAsyncContextManager[Command]]


@pytest.fixture
def running(tmp_path: Path) -> Running:
    """`async with running(number)`: each worker ends after so many signals, or fails at once: `fail`."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    return lambda number: forked(number, folder=tmp_path, program=program)


def workers(command: Command) -> list[int]:
    return [int(process) for process in re.findall(r"at work (\d+)", command.printed)]


async def test_ctrl_c_reaches_each_worker_once(running: Running) -> None:
    async with running("1") as command:
        await command.says("at work", times=2)
        os.killpg(command.pid, signal.SIGINT)
        assert await command.ends() == 0
    assert command.printed.count("got SIGUSR1") == 2


async def test_killed_worker_is_replaced_and_both_signals_reach_each(running: Running) -> None:
    async with running("2") as command:
        await command.says("at work", times=2)
        os.kill(workers(command)[0], signal.SIGKILL)
        await command.says("at work", times=3)
        command.send_signal(signal.SIGTERM)
        await command.says("got SIGTERM", times=2)
        command.send_signal(signal.SIGTERM)
        assert await command.ends() == 0
    assert command.printed.count("got SIGTERM") == 4


async def test_worker_killed_several_times_in_a_row_stops_all_with_the_reason(running: Running) -> None:
    async with running("1") as command:
        await command.says("at work", times=2)
        (kept, victim) = workers(command)
        for times in range(3, 6):
            os.kill(victim, signal.SIGKILL)
            if times < 5:
                await command.says("at work", times=times)
                (victim,) = workers(command)[times - 1 :]
        assert await command.ends() == 1
    assert "3 early deaths in a row; all stop" in command.printed
    assert command.printed.count("at work") == 4
    assert command.printed.count("got SIGUSR1") == 1  # the other one, `kept`
    assert kept != victim


def test_pause_before_a_replacement_doubles_and_ends() -> None:
    assert [replacement_pause(deaths) for deaths in range(7)] == [0, 1, 2, 4, 8, 16, None]


async def test_failed_worker_stops_all_with_its_exit_status(running: Running) -> None:
    async with running("fail") as command:
        assert await command.ends() == 7


async def test_workers_stop_when_their_parent_is_killed(running: Running) -> None:
    async with running("1") as command:
        await command.says("at work", times=2)
        command.send_signal(signal.SIGKILL)
        assert await command.ends() == -signal.SIGKILL
    assert command.printed.count("got SIGUSR1") == 2
