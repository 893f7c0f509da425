"""The page's modules under Node's own test runner, and its words against the agent's error table."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from identity.error_table import ERROR_TABLE

FRONTEND = Path(__file__).resolve().parents[2] / "frontend"
NODE = shutil.which("node") or "node"


def node(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own files
        [NODE, *arguments], cwd=FRONTEND, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("file", sorted(path.name for path in (FRONTEND / "tests").glob("*.test.js")))
def test_modules_pass_their_tests(file: str):
    result = node("--test", f"tests/{file}")
    assert result.returncode == 0, result.stdout
    assert "# pass 0\n" not in result.stdout


def test_the_page_has_the_agents_error_table_word_for_word():
    script = "import('./language/language.js').then(({MESSAGES}) => console.log(JSON.stringify(MESSAGES.en)))"
    messages = json.loads(node("--input-type=module", "-e", script).stdout)
    for code, row in ERROR_TABLE.items():
        for part in ("symptom", "cause", "remedy"):
            assert messages.get(f"error.{code}.{part}") == getattr(row, part), (
                f"frontend/language/en-errors.js and zh-errors.js need 'error.{code}.{part}'"
            )


def test_the_lock_file_names_no_registry():
    lock = json.loads((FRONTEND / "package-lock.json").read_text())
    assert all("resolved" not in package for package in lock["packages"].values())
