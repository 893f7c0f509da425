"""What is particular to revocations in a file; `test_stores.py` has what each store does."""

import asyncio
import stat
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from agent.operations.revocation.file_store import FileStore
from agent.operations.revocation.store import StoreError
from identity.access_token.revocation import Revocation, to_json
from tests.agent.operations.revocation.test_stores import at_once, revocation


def store(path: Path) -> FileStore:
    return FileStore(path, sleep=at_once)


async def stored(changes: AsyncGenerator[Sequence[Revocation]]) -> list[str]:
    found: list[str] = []
    async with asyncio.timeout(60):
        while sequence := await anext(changes):
            found += [each.name for each in sequence]
    return found


async def names(changes: AsyncGenerator[Sequence[Revocation]]) -> list[str]:
    async with asyncio.timeout(60):
        return [each.name for each in await anext(changes)]


def write(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)


def text(path: Path) -> str:
    return path.read_text()


def modes(*paths: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "revocations.jsonl"


async def test_file_is_readable_by_its_owner_only(path: Path) -> None:
    await store(path).put([revocation("alice")])
    assert modes(path, path.parent) == [0o600, 0o700]


async def test_damaged_line_is_reported_and_skipped(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, f"{to_json(revocation('alice'))}\n{{broken\n\n{to_json(revocation('bob'))}\n")
    changes = store(path).changes()
    assert await stored(changes) == ["alice", "bob"]
    await changes.aclose()
    assert "line 2 is not a revocation" in caplog.text


async def test_line_after_a_truncated_one_is_read(path: Path) -> None:
    write(path, f"{to_json(revocation('alice'))}\n{to_json(revocation('carol'))[:20]}")
    writer = store(path)
    changes = store(path).changes()
    assert await stored(changes) == ["alice"], "an incomplete line is not read yet"
    await writer.put([revocation("bob")])
    assert await names(changes) == ["bob"]
    await changes.aclose()


async def test_removing_keeps_lines_of_another_form_and_the_mode(path: Path) -> None:
    write(path, f"{to_json(revocation('alice'))}\n{{a later version's}}\n{to_json(revocation('bob'))}\n")
    await store(path).remove([revocation("alice")])
    assert text(path) == f"{{a later version's}}\n{to_json(revocation('bob'))}\n"
    assert modes(path) == [0o600]
    assert not path.with_name(f"{path.name}.new").exists()


async def test_process_adds_no_line_that_another_one_has_added(path: Path) -> None:
    """As processes of one machine do that all hear of a revocation from Redis."""
    processes = [store(path), store(path)]
    await processes[0].put([revocation("alice")])
    for each in processes:
        changes = each.changes()
        assert await stored(changes) == ["alice"]
        await changes.aclose()
    for each in processes:
        await each.put([revocation("bob"), revocation("carol")])
    assert len(text(path).splitlines()) == 3


async def test_error_names_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"file/revocations.jsonl cannot be written"):
        await store(tmp_path / "file" / "revocations.jsonl").put([revocation("alice")])


async def test_folder_in_place_of_the_file_is_an_error(tmp_path: Path) -> None:
    changes = store(tmp_path).changes()
    with pytest.raises(StoreError, match="cannot be read"):
        await anext(changes)


async def test_large_file_is_read_and_parsed_outside_the_event_loop_in_parts(path: Path) -> None:
    count = 10_000
    write(path, "".join(f"{to_json(revocation(f'user-{number}'))}\n" for number in range(count)))
    turns = 0

    async def other_task() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other, changes, sizes = asyncio.create_task(other_task()), store(path).changes(), []
    async with asyncio.timeout(60):
        while sequence := await anext(changes):
            sizes.append(len(sequence))
    other.cancel()
    await changes.aclose()
    assert sum(sizes) == count
    assert max(sizes) < 5_000
    assert turns > len(sizes), "other tasks run while each part is read"
