"""Destinations of audit lines: a file, where a write may end in the middle of a line, and standard output."""

import errno
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.operations.audit.verify import verify
from identity.audit.file_destination import AuditFile, StandardOutput
from identity.audit.log import AuditLog
from identity.settings.audit_log import audit_log
from tests.agent.operations.audit.audit_lines import event, limited

pytestmark = pytest.mark.promise("on-record")


LINES = ['{"time":"1"}\n', '{"time":"2"}\n', '{"time":"3"}\n']
LENGTH = len(LINES[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_part_of_a_line_is_blanked_and_the_whole_lines_before_it_are_counted(path):
    file = AuditFile(path)
    with limited(2 * LENGTH + 5):
        assert file.append(LINES) == 2
        assert path.read_text() == "".join(LINES[:2]) + "    \n"
        with pytest.raises(OSError, match="File too large") as caught:
            file.append(LINES[2:])
        assert caught.value.errno == errno.EFBIG
    assert file.append(LINES[2:]) == 1
    assert [line for line in path.read_text().splitlines() if line.strip()] == [
        line.strip() for line in LINES
    ]


def test_first_line_that_can_be_written_only_in_part_is_a_failure(path):
    file = AuditFile(path)
    with limited(5), pytest.raises(OSError, match="in part"):
        file.append(LINES[:1])
    assert path.read_text() == "    \n"
    file.append(LINES[:1])
    assert path.read_text().splitlines()[-1] == LINES[0].strip()


def test_line_of_another_process_behind_a_blanked_part_is_kept(path):
    file, other = AuditFile(path), AuditFile(path)
    with limited(5), pytest.raises(OSError, match="in part"):
        file.append(LINES[:1])
    assert other.append(LINES[1:]) == 2
    assert file.append(LINES[:1]) == 1
    assert path.read_text().splitlines()[1:] == [LINES[1].strip(), LINES[2].strip(), LINES[0].strip()]


def test_line_begins_anew_after_the_remains_of_a_killed_process(path):
    path.write_text('{"time":"unfin')
    AuditFile(path).append(LINES[:1])
    assert path.read_text().splitlines() == ['{"time":"unfin', LINES[0].strip()]


async def test_lines_of_a_pipe_are_a_whole_chain(tmp_path, caplog):
    reader, writer = os.pipe()
    log = AuditLog(StandardOutput(writer), required=True, logged=False)
    for number in range(3):
        await log.record(event(f"call_{number}"))
    await log.aclose()
    os.close(writer)
    collected = tmp_path / "collected.jsonl"
    with os.fdopen(reader, "rb") as pipe:
        collected.write_bytes(pipe.read())
    result = verify([collected])
    assert (result.findings, result.lines, result.chains[0].ended) == ([], 5, True)
    assert not [record for record in caplog.records if record.name == "idaas_agent.audit"]


@pytest.mark.parametrize("has_file", [True, False])
async def test_lines_of_a_file_are_not_on_standard_error_too(tmp_path, caplog, has_file):
    caplog.set_level(logging.INFO, "idaas_agent.audit")
    file = tmp_path / "audit.jsonl"
    settings = SimpleNamespace(
        audit_log_file=file if has_file else None, audit_key_file=None, audit_required=has_file
    )
    log = audit_log(settings)
    await log.record(event())
    await log.aclose()
    assert file.exists() is has_file
    assert bool([record for record in caplog.records if record.name == "idaas_agent.audit"]) is not has_file


def test_line_after_one_that_was_written_in_part_begins_anew():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    target = StandardOutput(writer)
    long = "x" * 100_000 + "\n"
    with pytest.raises(BlockingIOError):
        target.append([long])
    assert set(os.read(reader, 200_000)) == {ord("x")}
    assert target.append(["second\n"]) == 1
    assert os.read(reader, 200_000) == b"\nsecond\n"
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        target.append(["third\n"])
    os.close(writer)
