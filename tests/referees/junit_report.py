"""The cases of a report in JUnit's form, which pytest writes for a suite that it has run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from tests.referees.referee import Case

_MOST: Final = 500
"""Characters of what a test says."""
_BAD: Final = ("failure", "error", "skipped")


def cases(group: str, report: Path) -> Iterator[Case]:
    """A case for each test, in the order of the report. What it says is one line: `failure: …`, `error: …` or
    `skipped: …`.
    """
    for test in ET.parse(report).iter("testcase"):  # noqa: S314 - a report of this pytest
        outcomes = [child for child in test if child.tag in _BAD]
        name = f"{test.get('classname', '').rpartition('.')[2]}.{test.get('name')}"
        fault = _said(outcomes[0]) if outcomes else ""
        yield Case(group, name, fault)


def _said(outcome: ET.Element) -> str:
    message = " ".join((outcome.get("message") or "").split())
    return f"{outcome.tag}: {message[:_MOST]}"
