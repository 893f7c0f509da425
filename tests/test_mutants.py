"""The table of guards fits the code and SECURITY.md, and `make mutants` finds a guard that no test misses."""

import ast
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
MUTANTS = runpy.run_path(str(ROOT / "scripts" / "mutants.py"))
PROMISES = runpy.run_path(str(ROOT / "scripts" / "promises.py"))


def guards() -> list[Any]:
    return MUTANTS["all_guards"](ROOT)


def test_code_of_each_guard_is_found_once_and_without_it_the_file_can_be_read() -> None:
    sources = {guard.file: (ROOT / guard.file).read_text(encoding="utf-8") for guard in guards()}
    meant = {file: meaning(file, source) for file, source in sources.items()}
    for guard in guards():
        assert meaning(guard.file, guard.removed(sources[guard.file])) != meant[guard.file], guard


def meaning(file: str, source: str) -> str:
    """What Python reads in it; of the page's files, which Python cannot read, all of it."""
    return ast.dump(ast.parse(source)) if file.endswith(".py") else source


def test_each_promise_has_guards_and_each_guard_a_promise() -> None:
    promises = PROMISES["read_promises"]((ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert {guard.promise for guard in guards()} == set(promises)


def test_tests_of_each_guard_exist_and_no_guard_is_there_twice() -> None:
    found = guards()
    assert [test for guard in found for test in guard.tests if not (ROOT / test).exists()] == []
    assert len({str(guard) for guard in found}) == len({guard.removal for guard in found}) == len(found)


TABLE = """
[[private]]
guard = "what is missed"
file = "door.py"
code = "is_open = False"
without = "is_open = True"
tests = ["tests/test_door.py"]

[[private]]
guard = "what no test misses"
file = "door.py"
code = "is_painted = True"
without = "is_painted = False"
tests = ["tests/test_door.py"]

[[kept]]
guard = "what has changed"
file = "door.py"
code = "has_lock = True"
without = "has_lock = False"
tests = ["tests/test_door.py"]

[[kept]]
guard = "what cannot be removed"
file = "door.py"
code = "is_open = False"
without = "is_open = missing"
tests = ["tests/test_door.py"]
"""


@pytest.fixture(autouse=True)
def few_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the processes of pytest, which start in half a second."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "xdist.plugin,pytest_timeout")


def project(folder: Path) -> Path:
    """A tree with one module, its test, and the table."""
    (folder / "tests" / "security").mkdir(parents=True)
    (folder / "door.py").write_text("is_open = False\nis_painted = True\n")
    (folder / "tests" / "test_door.py").write_text(
        "def test_door():\n    import door\n    assert not door.is_open\n"
    )
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    (folder / MUTANTS["TABLE"]).write_text(TABLE)
    return folder


def test_guard_that_no_test_misses_survives_and_the_tree_stays_as_it_is(tmp_path: Path, capsys: Any) -> None:
    root = project(tmp_path / "project")
    before = {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}
    assert MUTANTS["main"](["private"], root) == 1
    printed = capsys.readouterr().out
    assert re.search(r"^caught +private: what is missed \(door\.py\)$", printed, re.MULTILINE)
    assert re.search(r"^SURVIVED +private: what no test misses \(door\.py\)$", printed, re.MULTILINE)
    assert "2 guards were removed, 1 survived" in printed
    assert {file: file.read_bytes() for file in root.rglob("*") if file.is_file()} == before


def test_guard_whose_code_has_changed_or_that_cannot_be_removed_is_an_error(
    tmp_path: Path, capsys: Any
) -> None:
    root = project(tmp_path / "project")
    assert MUTANTS["main"](["kept"], root) == 2
    printed = capsys.readouterr().out
    assert "kept: what has changed (door.py): its code is in the file 0 times, not once" in printed
    assert "the tests did not run without it" in printed
    assert "0 survived" in printed


def test_nothing_is_removed_while_a_test_fails(tmp_path: Path, capsys: Any) -> None:
    root = project(tmp_path / "project")
    (root / "door.py").write_text("is_open = True\nis_painted = True\n")
    assert MUTANTS["main"](["no test misses"], root) == 2
    assert "1 failed" in capsys.readouterr().out
    assert MUTANTS["main"](["no such guard"], root) == 2
