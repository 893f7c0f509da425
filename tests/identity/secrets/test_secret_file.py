"""A secret in a file: read again when it changes, and replaced by the other one when it is refused."""

import logging
from pathlib import Path
from typing import Any

import pytest

from identity.secrets.secret_file import SecretFile, parse_secret_lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("first\n")
    return path


@pytest.fixture
def source(path: Path, clock: Any) -> SecretFile[str]:
    return SecretFile(path, parse_secret_lines, clock=clock)


async def test_a_changed_file_is_in_use_a_second_later(path: Any, source: Any, clock: Any) -> None:
    assert await source.current() == "first"
    path.write_text("second\n")
    assert await source.current() == "first"
    clock.advance(1)
    assert await source.current() == "second"


async def test_a_replaced_file_is_read_by_its_path(path: Any, source: Any, clock: Any) -> None:
    """Kubernetes replaces the link to a folder, not the content of a file."""
    new = path.with_name("new")
    new.write_text("second\n")
    new.replace(path)
    clock.advance(1)
    assert await source.current() == "second"


async def test_a_refused_secret_is_replaced_by_the_second_line(path: Any, clock: Any) -> None:
    path.write_text("old\nnew\n")
    source = SecretFile(path, parse_secret_lines, clock=clock)
    assert await source.current() == "old"
    assert await source.renew("old")
    assert await source.current() == "new"
    assert await source.renew("new")  # the other way round, too
    assert await source.current() == "old"


async def test_a_single_refused_secret_has_no_other(source: Any) -> None:
    assert not await source.renew("first")
    assert await source.current() == "first"


@pytest.mark.parametrize("content", [None, "", "two words", "a\nb\nc", "-----BEGIN X-----", "\xff\n"])
async def test_an_unusable_file_leaves_the_secret_in_use_and_is_logged_once(
    path: Any, source: Any, clock: Any, caplog: pytest.LogCaptureFixture, content: str | None
) -> None:
    path.unlink() if content is None else path.write_text(content, "latin-1")
    for _ in range(3):
        clock.advance(1)
        assert await source.current() == "first"
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    path.write_text("second")
    clock.advance(1)
    assert await source.current() == "second"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read: no such file or directory"),
        ("", "must contain one value or two, found 0"),
        ("canary1\ncanary2\ncanary3", "must contain one value or two, found 3"),
        ("canary1 canary2", "must contain one secret"),
        ("-----BEGIN PRIVATE KEY-----", "contains a key or certificate"),
        ("x" * 70_000, "is larger than 65536 bytes"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_fault_without_its_content(path, content, fault):
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(ValueError, match=fault) as caught:
        SecretFile(path, parse_secret_lines)
    assert "canary" not in str(caught.value)
