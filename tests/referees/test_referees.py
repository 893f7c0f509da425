"""What `make referees` says of a run: each failure has a reason, and each reason a failure."""

import subprocess
from pathlib import Path

import pytest

from tests.referees.page import PAGE, results
from tests.referees.referee import TABLE, Case, Difference, Referee, read_referees
from tests.referees.verdict import Verdict

PASSED = Case("texts", "y_empty_object")
REFUSED = Case("texts", "y_names_twice", "refused")
NAMES = Difference("texts: *_names_twice: refused", "RFC 8259, section 4")


def test_run_holds_if_each_failure_has_a_row_and_each_row_a_failure() -> None:
    assert Verdict([PASSED, REFUSED], [NAMES]).holds


def test_failure_without_a_row_fails_the_run() -> None:
    verdict = Verdict([PASSED, REFUSED], [])
    assert not verdict.holds
    assert verdict.unexplained == [REFUSED]


def test_row_without_a_failure_fails_the_run() -> None:
    verdict = Verdict([PASSED], [NAMES])
    assert not verdict.holds
    assert verdict.obsolete == [NAMES]


def test_row_of_cases_that_are_made_by_chance_may_be_without_a_failure() -> None:
    assert Verdict([PASSED], [Difference("texts: *", "by chance", sometimes=True)]).holds


def test_row_that_an_earlier_one_covers_fails_the_run() -> None:
    later = Difference("texts: y_names_twice: *", "another reason")
    assert Verdict([REFUSED], [NAMES, later]).obsolete == [later]


def test_run_without_a_case_fails() -> None:
    assert not Verdict([], []).holds


def test_page_has_counts_by_group_and_each_reason() -> None:
    skipped = Case("texts", "i_none", "skipped: no number")
    text = results(Verdict([PASSED, REFUSED, skipped], [NAMES]), "today")
    assert "| texts | 3 | 1 | 1 | 1 |" in text
    assert "| `texts: *_names_twice: refused` | 1 | RFC 8259, section 4 |" in text


def test_page_has_the_marks_of_each_referee_and_its_revision() -> None:
    page = PAGE.text()
    referees = read_referees(TABLE.read_text(encoding="utf-8"))
    for referee in referees.values():
        assert PAGE.having(referee.name, "", page)
        assert referee.revision[:12] in page
        assert referee.run


def test_checkout_of_another_revision_or_with_changes_is_refused(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com"]
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet")
    (tmp_path / "file").write_text("a")
    git("add", "file")
    git("commit", "--quiet", "--message", "Add a file")
    pinned = Referee(
        "suite", "Suite", repository="https://example.com/suite", revision=git("rev-parse", "HEAD")
    )
    assert pinned.folder(tmp_path) == tmp_path
    for checkout in (None, tmp_path / "none"):
        with pytest.raises(ValueError, match="needs a checkout of https"):
            pinned.folder(checkout)
    (tmp_path / "file").write_text("b")
    with pytest.raises(ValueError, match="found revision unknown"):
        pinned.folder(tmp_path)
