"""SECURITY.md and the tests name the same promises, and one command shows the result of each."""

import ast
import functools
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "promises.py"
FOLDERS = [ROOT / "tests", *ROOT.glob("plugins/*/tests")]
REGISTER = runpy.run_path(str(SCRIPT))


def documented_promises() -> set[str]:
    """The names that begin a paragraph of SECURITY.md."""
    return set(REGISTER["read_promises"]((ROOT / "SECURITY.md").read_text(encoding="utf-8")))


def nodes_of(file: Path, *words: str) -> Iterator[ast.AST]:
    """The syntax of a file in which one of `words` is: parsing all of them takes seconds."""
    text = file.read_text(encoding="utf-8")
    return ast.walk(ast.parse(text)) if any(word in text for word in words) else iter(())


@functools.cache
def promises_with_tests() -> dict[str, set[str]]:
    """The test files of each promise, from the arguments of every `pytest.mark.promise(…)`."""
    found: dict[str, set[str]] = {}
    for file in sorted(file for folder in FOLDERS for file in folder.rglob("test_*.py")):
        for node in nodes_of(file, "mark.promise"):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.promise":
                for argument in node.args:
                    found.setdefault(ast.literal_eval(argument), set()).add(str(file.relative_to(ROOT)))
    return found


def without_promise(file: Path) -> list[str]:
    """The tests of `file` that name no promise, neither at the function nor in `pytestmark`."""
    body = ast.parse(file.read_text(encoding="utf-8")).body
    if any(isinstance(node, ast.Assign) and "mark.promise" in ast.unparse(node) for node in body):
        return []
    return [
        node.name
        for node in body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and "mark.promise" not in " ".join(map(ast.unparse, node.decorator_list))
    ]


def test_every_promise_has_a_test():
    assert documented_promises() - promises_with_tests().keys() == set()


def test_every_promise_that_a_test_names_is_in_security_md():
    assert promises_with_tests().keys() - documented_promises() == set()


def test_the_mapping_of_owasps_list_names_ten_risks_and_promises_of_security_md():
    rows = owasp_rows()
    assert [row[0] for row in rows] == [f"ASI{number:02}" for number in range(1, 11)]
    named = {name for _, promises, _ in rows for name in re.findall(r"`([^`]+)`", promises)}
    assert named - documented_promises() == set()
    assert all("`" in promises and "`" in tests for _, promises, tests in rows)


def test_the_mapping_of_owasps_list_names_tests_that_exist():
    named = [name for *_, tests in owasp_rows() for name in re.findall(r"`([^`]+)`", tests)]
    assert {name for name in named if not is_test(*name.partition("::")[::2])} == set()


def owasp_rows() -> list[tuple[str, str, str]]:
    """The number, the promises and the tests of each risk."""
    page = (ROOT / "docs" / "owasp.md").read_text(encoding="utf-8")
    return re.findall(r"^\| \*\*(\w+)\*\* [^|]+ \| ([^|]+) \| ([^|]+) \|", page, re.MULTILINE)


def is_test(file: str, function: str) -> bool:
    """Whether the file of tests is there, and has the function, if one is named."""
    path = ROOT / file
    return path.name.startswith("test_") and path.is_file() and f"def {function}" in path.read_text("utf-8")


def test_every_security_test_names_a_promise():
    files = sorted((ROOT / "tests" / "security").rglob("test_*.py"))
    assert files
    assert {file.name: names for file in files if (names := without_promise(file))} == {}


def test_no_test_is_skipped():
    ways = {"skip", "skipif", "importorskip", "xfail", "SkipTest", "skipUnless", "skipIf"}
    found = {
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in (file for folder in FOLDERS for file in folder.rglob("*.py"))
        if "node_modules" not in file.parts
        for node in nodes_of(file, *ways)
        if isinstance(node, ast.Attribute)
        and node.attr in ways
        and ast.unparse(node.value) in ("pytest", "pytest.mark", "unittest")
    }
    assert found == set()


def test_promise_is_kept_only_if_one_of_its_tests_passed_and_none_failed():
    report = """<testsuites><testsuite>
    <testcase classname="tests.test_a" name="test_one[1]">
      <properties><property name="promise" value="kept"/></properties></testcase>
    <testcase classname="tests.test_a" name="test_one[2]">
      <properties><property name="promise" value="kept"/></properties></testcase>
    <testcase classname="tests.test_b" name="test_two"><failure/>
      <properties><property name="promise" value="broken"/></properties></testcase>
    <testcase classname="tests.test_b" name="test_three"><skipped/>
      <properties><property name="promise" value="skipped"/></properties></testcase>
    <testcase classname="tests.test_b" name="test_four"/>
    </testsuite></testsuites>"""
    tests = REGISTER["read_tests"](report)
    assert REGISTER["register"]({"kept": "Words."}, [t for t in tests if "kept" in t.promises])[1]
    page, kept = REGISTER["register"](
        dict.fromkeys(("kept", "broken", "skipped", "untested"), "Words."), tests
    )
    assert not kept
    assert "| `kept` | 2 | kept |" in page
    for name in ("broken", "skipped", "untested"):
        assert not re.search(rf"\| `{name}` \| \d \| kept \|", page)
    assert not REGISTER["register"]({}, tests)[1]


def test_command_runs_the_given_tests_and_reports_promises_without_a_passed_test():
    command = [sys.executable, str(SCRIPT), "tests/identity/secrets/test_redaction.py", "--noconftest"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - a fixed command
    assert ran.returncode == 1
    assert re.search(r"\| `no-secret-leaves` \| [1-9]\d* \| kept \|", ran.stdout), ran.stdout + ran.stderr
    assert "## verified-caller: NOT SHOWN" in ran.stdout
