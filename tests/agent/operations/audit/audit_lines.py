"""Audit logs for tests: events, files of complete lines, tampering with them, and findings."""

import json
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.operations.audit.verify import FindingKind, Verification
from identity.audit.chain import AuditKey, line_hash
from identity.audit.event import AuditedAction, AuditEvent, AuditOutcome
from identity.audit.file_destination import AuditFile
from identity.audit.log import AuditLog
from identity.errors import AuditError
from identity.secrets.secret import Secret
from tests.until import until

KEY = AuditKey(Secret("k" * 32))
FORMER_KEY = AuditKey(Secret("f" * 32))
CALLS = ("call_1", "call_2", "call_3", "call_4")
KINDS = FindingKind


def event(call_id: str = "call_1", *, time: float = 1_795_526_961.25) -> AuditEvent:
    return AuditEvent(
        time=time,
        action=AuditedAction.TOOL_CALL,
        outcome=AuditOutcome.STARTED,
        service="amap",
        tool="maps_weather",
        call_id=call_id,
    )


async def write_log(
    file: Path, *calls: str, key: AuditKey | None = None, now: float = 1_795_526_961.25
) -> None:
    """One process's lines: a beginning, one for each of `calls`, and an end."""
    log = AuditLog(AuditFile(file), key=key, required=True, clock=lambda: now)
    for call in calls:
        await log.record(event(call, time=now))
    await log.aclose()


async def failure_of(log: AuditLog) -> AuditError | None:
    try:
        await log.check()
    except AuditError as error:
        return error
    return None


async def until_it_fails(log: AuditLog) -> AuditError:
    """Waits until the thread has noticed it."""
    failures: list[AuditError] = []

    async def fails() -> bool:
        if failure := await failure_of(log):
            failures.append(failure)
        return bool(failures)

    await until(fails)
    return failures[0]


async def until_it_works(log: AuditLog) -> None:
    async def works() -> bool:
        return await failure_of(log) is None

    await until(works)


def lines_of(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line.strip()]


def put_lines(file: Path, lines: Sequence[str]) -> None:
    file.write_text("".join(f"{line}\n" for line in lines))


def records_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(file)]


@contextmanager
def limited(size: int) -> Iterator[None]:
    """A file grows to `size` bytes at most: as on a full disk, a write is short, and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def found(result: Verification) -> list[tuple[int, FindingKind]]:
    return [(finding.place.line, finding.kind) for finding in result.findings]


def forged(line: str, **members: object) -> str:
    """`line` with other members, and the hash of its new content, as by someone who knows the format."""
    record = json.loads(line) | members
    record.pop("hash")
    body = json.dumps(record, separators=(",", ":"))[:-1]
    return f'{body},"hash":"{line_hash(body.encode(), None)}"}}'


def chained_anew(lines: list[str], **members: object) -> list[str]:
    """All lines with new hashes, from the second on changed by `members`."""
    previous, anew = None, []
    for number, line in enumerate(lines):
        anew.append(forged(line, previous=previous, **(members if number == 2 else {})))
        previous = json.loads(anew[-1])["hash"]
    return anew
