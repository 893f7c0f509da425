"""Only versions of LangGraph whose internals are known are declared, locked, and imported."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from graph.langgraph_internals import KNOWN
from tests.forked import run

ROOT = Path(__file__).parents[2]
RESOLUTIONS = [*ROOT.glob("requirements*.lock"), *(ROOT / "tests/supply_chain/neighbours").glob("*.txt")]
IMPORT = """
import sys

sys.path[:0] = sys.argv[1:]
sys.modules.pop("graph.langgraph_internals", None)
try:
    import graph.langgraph_internals
except ImportError as error:
    print(error)
"""


def refusal(folder: Path, change: str = "") -> str:
    """How the module refuses the version of LangGraph that `folder` claims, or that was changed so."""
    program = folder / "program.py"
    program.write_text(change + IMPORT)
    status, printed = run([str(program), str(folder)], {}, ROOT)
    assert status == 0, printed
    return printed.strip()


def test_declared_versions_are_those_that_are_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"langgraph{KNOWN}" in project["dependencies"]


@pytest.mark.parametrize("resolution", RESOLUTIONS, ids=lambda resolution: resolution.name)
def test_version_of_each_lock_and_beside_each_neighbour_is_known(resolution: Path) -> None:
    pinned = re.findall(r"^langgraph==(\S+)", resolution.read_text(), re.MULTILINE)
    assert [version for version in pinned if version not in SpecifierSet(KNOWN)] == []


def with_version(version: str, folder: Path) -> Path:
    """A folder in which LangGraph says that it has this version."""
    metadata = folder / f"langgraph-{version}.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: langgraph\nVersion: {version}\n")
    return folder


@pytest.mark.parametrize("version", ["1.2.14", "1.3.0", "1.3", "2.0.0", "0.6.15"])
def test_other_version_is_refused_when_it_is_imported(version: str, tmp_path: Path) -> None:
    refused = refusal(with_version(version, tmp_path))
    assert refused == f"idaas-agent needs langgraph{KNOWN}, and finds langgraph {version}"


@pytest.mark.parametrize("version", ["1.2.15", "1.2.30", "1.2.15.post1"])
def test_known_version_is_imported(version: str, tmp_path: Path) -> None:
    assert refusal(with_version(version, tmp_path)) == ""


@pytest.mark.parametrize(
    "change",
    [
        "import langgraph._internal._constants as module; del module.RESUME",
        "import langgraph._internal._scratchpad as m; del m.PregelScratchpad.__dataclass_fields__['resume']",
        "import langgraph.prebuilt.tool_node as module; del module._get_all_injected_args",
    ],
)
def test_version_that_lacks_what_is_read_is_refused_when_it_is_imported(change: str, tmp_path: Path) -> None:
    refused = refusal(tmp_path, change)
    assert refused.startswith(f"idaas-agent needs langgraph{KNOWN}, and finds")
    assert refused.endswith("which keeps the task that runs in another way")
