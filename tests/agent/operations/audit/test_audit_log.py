"""The file of the audit log on real disks that are full, unavailable, slow or rotated."""

import contextlib
import json
import logging
import os
import shutil
import stat
from pathlib import Path

import pytest

from agent.operations.audit.verify import verify
from agent.operations.log_lines import JsonLines
from identity.audit.file_destination import AuditFile
from identity.audit.log import AuditLog
from identity.error_codes import IdentityCode
from identity.errors import AuditError
from tests.agent.operations.audit.audit_lines import (
    event,
    limited,
    records_of,
    until_it_fails,
    until_it_works,
)

pytestmark = pytest.mark.promise("on-record")

FULL = Path("/dev/full")


def lines(file: Path) -> list[dict]:
    """Without the lines that begin and end the chain."""
    return [record for record in records_of(file) if record["event"] not in ("audit_started", "audit_ended")]


async def test_each_event_is_a_line_of_a_file_that_only_its_owner_can_read(tmp_path):
    file = tmp_path / "audit.jsonl"
    log = AuditLog(AuditFile(file))
    for number in range(1200):
        await log.record(event(f"call_{number}"))
    await log.aclose()
    assert [line["call_id"] for line in lines(file)] == [f"call_{number}" for number in range(1200)]
    assert lines(file)[0]["time"] == "2026-11-24T13:29:21.250Z"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_required_record_is_in_the_file_when_record_returns(tmp_path):
    file = tmp_path / "audit.jsonl"
    log = AuditLog(AuditFile(file), required=True)
    for number in range(5):
        await log.record(event())
        assert len(lines(file)) == number + 1
    await log.aclose()


async def test_line_ends_in_untrusted_names_are_escaped(tmp_path):
    file = tmp_path / "audit.jsonl"
    log = AuditLog(AuditFile(file))
    await log.record(event('x"}\n{"time":"2026"}\u2028\r\n'))
    await log.aclose()
    assert verify([file]).findings == []
    assert len(file.read_bytes().splitlines()) == len(file.read_text().splitlines()) == 3


async def test_required_record_on_a_full_disk_is_refused_and_the_reason_logged(caplog):
    log = AuditLog(AuditFile(FULL), required=True, retry_seconds=60)
    for _ in range(3):
        with pytest.raises(AuditError) as caught:
            await log.record(event())
        assert caught.value.code is IdentityCode.AUDIT_UNAVAILABLE
    with pytest.raises(AuditError):
        await log.check()
    await log.aclose()
    reports = [
        record
        for record in caplog.records
        if record.name == "idaas_agent.audit_log" and "cannot" in record.getMessage()
    ]
    assert [record.levelno for record in reports] == [logging.ERROR]
    assert "No space left on device" in reports[0].getMessage()


async def test_optional_record_on_a_full_disk_does_not_delay_the_caller_and_its_loss_is_reported(caplog):
    log = AuditLog(AuditFile(FULL), capacity=10, retry_seconds=60)
    for _ in range(25):
        await log.record(event())
    assert (await until_it_fails(log)).code is IdentityCode.AUDIT_UNAVAILABLE
    await log.aclose()
    assert "the audit log ends without 25 records" in [record.getMessage() for record in caplog.records]


async def test_waiting_records_are_bounded_and_the_gap_is_recorded(tmp_path):
    folder = tmp_path / "gone"
    log = AuditLog(AuditFile(folder / "audit.jsonl"), capacity=2, retry_seconds=0.001)
    await until_it_fails(log)
    for number in range(5):
        await log.record(event(f"call_{number}"))
    folder.mkdir()
    await until_it_works(log)
    await log.record(event("call_5"))
    await log.aclose()
    written = lines(folder / "audit.jsonl")
    kept = [line["call_id"] for line in written if line["event"] == "tool_call"]
    assert kept == ["call_0", "call_1", "call_5"]
    assert sum(line["lost"] for line in written if line["event"] == "audit_resumed") == 3
    assert verify([folder / "audit.jsonl"]).findings == []


async def test_required_log_recovers_without_a_record_to_write(tmp_path):
    folder = tmp_path / "gone"
    log = AuditLog(AuditFile(folder / "audit.jsonl"), required=True, retry_seconds=0.001)
    with pytest.raises(AuditError):
        await log.record(event("call_refused"))
    folder.mkdir()
    await until_it_works(log)
    await log.record(event("call_1"))
    await log.aclose()
    written = lines(folder / "audit.jsonl")
    assert {line["event"] for line in written[:-1]} == {"audit_resumed"}
    assert written[-1]["call_id"] == "call_1"
    assert verify([folder / "audit.jsonl"]).findings == []


@pytest.mark.parametrize("required", [False, True])
async def test_chain_is_whole_after_a_disk_was_full_in_the_middle_of_a_line(tmp_path, required):
    file = tmp_path / "audit.jsonl"
    log = AuditLog(AuditFile(file), required=required, retry_seconds=0.001, gathering_seconds=0.001)
    await log.record(event("call_0"))
    while not (file.exists() and lines(file)):
        await log.check()
    with limited(file.stat().st_size + 1000):
        for number in range(1, 4):
            with contextlib.suppress(AuditError):
                await log.record(event(f"call_{number}"))
        await until_it_fails(log)
    await until_it_works(log)
    await log.record(event("call_4"))
    await log.aclose()
    written = [line["call_id"] for line in lines(file) if line["event"] == "tool_call"]
    assert written == (["call_0", "call_1", "call_4"] if required else [f"call_{n}" for n in range(5)])
    assert verify([file]).findings == []


async def test_several_processes_append_whole_lines_to_one_file(tmp_path):
    file = tmp_path / "audit.jsonl"
    logs = [AuditLog(AuditFile(file), gathering_seconds=0.001) for _ in range(3)]
    for number in range(600):
        await logs[number % 3].record(event(f"call_{number}"))
    for log in logs:
        await log.aclose()
    result = verify([file])
    assert (result.findings, len(result.chains), result.lines) == ([], 3, 606)


async def test_rotated_file_is_followed_by_a_new_one(tmp_path):
    file, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    log = AuditLog(AuditFile(file), required=True)
    await log.record(event("call_1"))
    file.rename(moved)
    await log.record(event("call_2"))
    file.unlink()
    await log.record(event("call_3"))
    await log.aclose()
    assert [line["call_id"] for line in lines(moved)] == ["call_1"]
    assert [line["call_id"] for line in lines(file)] == ["call_3"]


async def test_disk_that_becomes_unavailable_is_noticed(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    log = AuditLog(AuditFile(folder / "audit.jsonl"), required=True, retry_seconds=60)
    await log.record(event())
    shutil.rmtree(folder)
    with pytest.raises(AuditError):
        await log.record(event())
    await log.aclose()


@pytest.mark.parametrize("required", [False, True])
async def test_hanging_disk_does_not_block_the_event_loop(tmp_path, required):
    pipe = tmp_path / "audit.jsonl"
    os.mkfifo(pipe)  # opening it waits for a reader
    log = AuditLog(AuditFile(pipe), required=required, capacity=3, seconds=0.01)
    for _ in range(5):
        if required:
            with pytest.raises(AuditError):
                await log.record(event())
        else:
            await log.record(event())
    with pytest.raises(AuditError):
        await log.check()
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    await log.aclose()
    os.close(reader)


async def test_records_after_close_are_reported_as_lost(tmp_path, caplog):
    log = AuditLog(AuditFile(tmp_path / "audit.jsonl"))
    await log.record(event())
    await log.aclose()
    await log.record(event())
    with pytest.raises(AuditError):
        await log.check()


async def test_without_a_file_the_logger_has_every_record_and_masks_credentials(caplog):
    caplog.set_level(logging.INFO, "idaas_agent.audit")
    log = AuditLog()
    await log.record(event("sk-canary-canary\x7f"))
    await log.aclose()
    records = [record for record in caplog.records if record.name == "idaas_agent.audit"]
    fields = [record.__dict__["fields"] for record in records]
    assert [each["event"] for each in fields] == ["audit_started", "tool_call", "audit_ended"]
    assert [each["seq"] for each in fields] == [1, 2, 3]
    line = JsonLines().format(records[1])
    assert json.loads(line) == {
        "level": "info",
        "logger": "idaas_agent.audit",
        "message": "audit",
        **fields[1],
        "call_id": "[masked]\x7f",
    }
    assert "\x7f" not in line


def test_required_records_need_a_destination():
    with pytest.raises(ValueError, match="destination"):
        AuditLog(required=True)
