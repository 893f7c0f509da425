"""Standard output as the destination of audit lines, by a pipe."""

import os

import pytest

from agent.operations.audit.file_destination import StandardOutput
from agent.operations.audit.log import AuditLog
from agent.operations.audit.verify import verify
from tests.agent.operations.audit.audit_lines import event

pytestmark = pytest.mark.promise("on-record")


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
