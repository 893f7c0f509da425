"""LOG_LEVEL and LOG_FORMAT, as a process applies them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import running

PROGRAM = """
import logging, sys
from agent.operations.log_setup import set_up_logging

set_up_logging(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
for name in ("idaas_agent.own", "graph.models.own", "sse_starlette", "httpx"):
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logging.getLogger(name).log(level, "line")
"""
OWN = ("idaas_agent.own", "graph.models.own")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("level", "own", "library", "verbose"),
    [("debug", 4, 3, 2), ("info", 3, 3, 2), ("warning", 2, 2, 2), ("error", 1, 1, 1)],
)
async def test_level_concerns_own_lines_and_libraries_stay_above_their_content(
    program: Path, tmp_path: Path, level: str, own: int, library: int, verbose: int
) -> None:
    async with running(sys.executable, str(program), level, "json", folder=tmp_path) as command:
        assert await command.ends() == 0
        lines = [json.loads(line)["logger"] for line in command.printed.splitlines()]
    assert [lines.count(name) for name in (*OWN, "sse_starlette", "httpx")] == [own, own, library, verbose]


async def test_lines_are_json_where_standard_error_is_no_terminal(program: Path, tmp_path: Path) -> None:
    async with running(sys.executable, str(program), "error", folder=tmp_path) as command:
        assert await command.ends() == 0
        assert all(json.loads(line) for line in command.printed.splitlines())


def test_lines_are_text_at_a_terminal(program: Path) -> None:
    terminal, standard_error = pty.openpty()
    subprocess.run([sys.executable, str(program), "error"], stderr=standard_error, check=True)  # noqa: S603 - this interpreter
    printed = os.read(terminal, 4096)
    os.close(terminal)
    os.close(standard_error)
    assert b" ERROR    idaas_agent.own: line" in printed
