"""SECURITY.md and the tests name the same promises."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def promised() -> set[str]:
    """The promises of SECURITY.md: the first column of its table."""
    section = (
        (ROOT / "SECURITY.md").read_text(encoding="utf-8").partition("## Promises")[2].partition("\n## ")[0]
    )
    return set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE))


def held() -> dict[str, set[str]]:
    """By promise, the test files that hold it: the arguments of every `pytest.mark.promise(…)`."""
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.promise":
                for argument in node.args:
                    found.setdefault(ast.literal_eval(argument), set()).add(str(file.relative_to(ROOT)))
    return found


def test_every_promise_has_a_test():
    assert promised() - held().keys() == set()


def test_every_test_that_names_a_promise_names_one_of_security_md():
    assert held().keys() - promised() == set()
