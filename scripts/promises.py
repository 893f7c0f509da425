"""The register of promises: each promise of SECURITY.md, its tests, and their results.

`make promises` runs the tests that name a promise (arguments go to pytest) and prints the register. Exit
status 1 if a test fails, a promise has no test, or a test names an unknown promise. pytest loads this file as
a plugin that adds the promises of every test to the report.
"""

import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    import pytest

ROOT: Final = Path(__file__).parent.parent
WIDTH: Final = 110
PROMISE: Final = re.compile(r"^\*\*`([a-z-]+)`\*\* (.+?)(?=\n\n(?:\*\*`|#)|\Z)", re.MULTILINE | re.DOTALL)
"""A paragraph that begins with the name, and the list below it."""


def pytest_itemcollected(item: "pytest.Item") -> None:
    """The plugin: adds a test's promises to its result, which also carries them from worker processes."""
    names = {name for marker in item.iter_markers("promise") for name in marker.args}
    item.user_properties += [("promise", name) for name in sorted(names)]


@dataclass(frozen=True, slots=True)
class PromiseTest:
    """One run of one test: `file`, the function's name, `passed`, `failed` or `skipped`, and its promises."""

    file: str
    test: str
    outcome: str
    promises: tuple[str, ...]


def read_promises(security: str) -> dict[str, str]:
    """Promise → its description, from the text of SECURITY.md."""
    section = security.partition("## Promises")[2].partition("\n## ")[0]
    return dict(PROMISE.findall(section))


def read_tests(junit: str) -> list[PromiseTest]:
    """The tests of a JUnit report that name a promise. An error in a fixture counts as a failure."""
    tests = []
    for case in ET.fromstring(junit).iter("testcase"):  # noqa: S314 - a report of this process's pytest
        names = tuple(p.get("value", "") for p in case.iter("property") if p.get("name") == "promise")
        outcome = "passed"
        for found, element in (("skipped", "skipped"), ("failed", "failure"), ("failed", "error")):
            outcome = found if case.find(element) is not None else outcome
        file = case.get("classname", "").replace(".", "/") + ".py"
        tests.append(PromiseTest(file, case.get("name", "").partition("[")[0], outcome, names))
    return [test for test in tests if test.promises]


def register(promises: dict[str, str], tests: Sequence[PromiseTest]) -> tuple[str, bool]:
    """Returns the page in Markdown, and whether every promise is kept."""
    by_promise: dict[str, list[PromiseTest]] = defaultdict(list)
    for test in tests:
        for name in test.promises:
            by_promise[name].append(test)
    lines, rows, kept = [], [], True
    for name in [*promises, *sorted(by_promise.keys() - promises.keys())]:
        result = _result(by_promise[name]) if name in promises else "not in SECURITY.md"
        kept &= result == "kept"
        rows.append(f"| `{name}` | {len(by_promise[name])} | {result} |")
        lines += [f"## {name}: {result}", "", *textwrap.wrap(promises.get(name, ""), WIDTH), ""]
        lines += [*_tests(by_promise[name]), ""]
    return "\n".join([*lines, "| promise | tests | result |", "|---|---:|---|", *rows]), kept


def _result(tests: Sequence[PromiseTest]) -> str:
    outcomes = Counter(test.outcome for test in tests)
    if outcomes["failed"]:
        return f"BROKEN, {outcomes['failed']} failed"
    return "kept" if outcomes["passed"] else "NOT SHOWN, no test passed"


def _tests(tests: Sequence[PromiseTest]) -> list[str]:
    """By file, each function once, with the number of its cases and their worst outcome."""
    functions: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for test in tests:
        functions[test.file][test.test][test.outcome] += 1
    lines = []
    for file, named in sorted(functions.items()):
        lines.append(f"- {file}")
        for name, outcomes in named.items():
            worst = next(outcome for outcome in ("failed", "passed", "skipped") if outcomes[outcome])
            cases = f" ({outcomes.total()} cases)" if outcomes.total() > 1 else ""
            lines.append(f"  - {worst}: {name}{cases}")
    return lines


def main(arguments: Sequence[str]) -> int:
    """Runs the tests, prints the register and returns the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "promises", "-m", "promise"]
        command += [f"--junitxml={report}", *arguments]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - pytest
        if not report.is_file():
            return status or 1
        tests = read_tests(report.read_text(encoding="utf-8"))
    page, kept = register(read_promises((ROOT / "SECURITY.md").read_text(encoding="utf-8")), tests)
    sys.stdout.write(f"\n{page}\n")
    return 0 if kept and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
