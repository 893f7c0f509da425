"""A page of which parts are generated."""

from pathlib import Path

import pytest

from tests.generated_page import GeneratedPage


@pytest.fixture
def page(tmp_path: Path) -> GeneratedPage:
    """A page with two parts."""
    made = GeneratedPage(tmp_path / "page.md", "make tables")
    parts = ["old".join(made.marks(part)) for part in ("one", "two")]
    made.file.write_text("before\n" + "between\n".join(parts) + "after\n")
    return made


def test_parts_are_written_between_their_marks_alone(page: GeneratedPage) -> None:
    page.write({"two": "| new |"})
    begin, end = page.marks("two")
    assert page.text().endswith(f"between\n{begin}\n| new |\n{end}after\n")
    assert page.text().count("old") == 1
    written = page.text()
    page.write({"two": "| new |"})
    assert page.text() == written


def test_page_without_the_marks_of_a_part_stays_as_it_is(page: GeneratedPage) -> None:
    before = page.text()
    with pytest.raises(ValueError, match="lacks the marks of three"):
        page.write({"one": "new", "three": "new"})
    assert page.text() == before
