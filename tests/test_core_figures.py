"""Features stand beside the core: few of its modules import one, and the others are listed with a reason."""

import ast
import re

import pytest

from scripts.core_figures import CORE, FEATURES, ROOT, importers

FEW = 3
_DECISION = ROOT / "docs" / "decisions" / "0014-features-that-the-core-knows.md"
_SECTION = {
    "labels": "Labels",
    "files": "Files",
    "questions of servers": "Questions of servers",
    "authors of messages": "Authors of messages",
}


@pytest.mark.parametrize("feature", FEATURES)
def test_few_modules_of_the_core_import_a_feature_or_a_decision_lists_them(
    core: dict[str, ast.Module], feature: str
) -> None:
    found = importers(core, feature)
    assert found == _listed(feature) if feature in _SECTION else len(found) <= FEW


@pytest.fixture(scope="module")
def core() -> dict[str, ast.Module]:
    paths = [path for room in CORE for path in (ROOT / room).rglob("*.py")]
    return {str(path.relative_to(ROOT)): ast.parse(path.read_bytes()) for path in paths}


def _listed(feature: str) -> set[str]:
    _, _, section = _DECISION.read_text().partition(f"**{_SECTION[feature]}**")
    table, _, _ = section.partition("\n**")
    return set(re.findall(r"^\| `([\w/]+\.py)` \|", table, re.MULTILINE))
