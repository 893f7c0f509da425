"""The core knows no plug-in: without the folder of one, and its lines in pyproject.toml, its tests pass."""

import ast
import os
import re
import runpy
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.settings.settings import variables
from tests.forked import run
from tools import VERSION

ROOT = Path(__file__).parent.parent
PLUGINS = sorted(file.parent.name for file in ROOT.glob("plugins/*/__init__.py"))
CORE = ("agent", "graph", "http1", "idaas_agent", "identity", "sandbox", "tests", "tools")
STARTED = [
    "tests/agent/api/test_surfaces.py::test_surface_of_another_package_is_served_to_verified_callers",
    "tests/agent/commands/test_needed_variables.py::test_each_command_of_the_agent_has_a_row",
    "tests/security/test_routes.py::test_every_route_of_the_agent_is_registered",
    "tests/security/test_routes.py::test_public_routes_of_the_agent_need_no_token_and_contain_no_secret",
]
"""The core's tests of a served agent and of its commands."""
FOUND = ["test_surfaces", "test_installed_commands", "test_left", *(test.split("::")[1] for test in STARTED)]
"""The names of all of the core's tests of what it finds by entry points."""
OF_PLUGINS = ("APPROVAL_WEBHOOK_URL", "POLICY_FILE", "PREPARE_SCOPE")
"""Variables that plug-ins declare."""
LEFT = f"""from agent.settings.settings import variables

def test_no_variable_of_a_plugin_is_left():
    assert "AGENT_PORT" in variables()
    assert variables().keys().isdisjoint({OF_PLUGINS})
"""
PROGRAM = """
import sys

import pytest

if __name__ == "__main__":
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("plugins", "tests"):
            del sys.modules[name]
    sys.path.insert(0, "")
    sys.exit(pytest.main(["-q", "-x", "-n", "0", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""
"""pytest with the tests and plug-ins of the working folder."""
Copy = runpy.run_path(str(ROOT / "scripts" / "mutants.py"))["Copy"]


def sources(*folders: Path) -> Iterator[Path]:
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            if "node_modules" not in file.parts:
                yield file


def plugins_imported(file: Path) -> set[str]:
    """The plug-ins of which `file` imports something, also within functions."""
    text = file.read_text(encoding="utf-8")
    if "plugins" not in text:  # parsing all files takes seconds
        return set()
    modules: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
    return {module.split(".")[1] for module in modules if module.startswith("plugins.")}


def without(text: str, plugins: Iterable[str]) -> str:
    """pyproject.toml without the lines that name `plugins`, and without the contracts of imports that do."""
    names = re.compile("|".join(rf'"plugins\.{plugin}\b' for plugin in plugins))
    kept = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("[[tool.importlinter.contracts]]") and names.search(paragraph):
            continue
        kept.append("\n".join(line for line in paragraph.split("\n") if not names.search(line)))
    return "\n\n".join(kept)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, of which each test takes plug-ins away."""
    folder: Path = tmp_path_factory.mktemp("copy") / "copy"
    Copy(ROOT, folder)
    return folder


@contextmanager
def taken_away(plugins: Iterable[str], copy: Path) -> Iterator[None]:
    """The copy without `plugins`, installed as the editable installation of the copy would be."""
    project, aside = copy / "pyproject.toml", copy.parent / "aside"
    whole = project.read_text("utf-8")
    aside.mkdir()
    for plugin in plugins:
        (copy / "plugins" / plugin).rename(aside / plugin)
    project.write_text(without(whole, plugins), "utf-8")
    try:
        install(copy, tomllib.loads(project.read_text("utf-8"))["project"]["entry-points"])
        yield
    finally:
        project.write_text(whole, "utf-8")
        for plugin in plugins:
            (aside / plugin).rename(copy / "plugins" / plugin)
        aside.rmdir()


def install(copy: Path, entry_points: dict[str, dict[str, str]]) -> None:
    metadata = copy / f"idaas_agent-{VERSION}.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: idaas-agent\nVersion: {VERSION}\n")
    lines = []
    for group, entries in entry_points.items():
        lines += [f"[{group}]", *(f"{name} = {reference}" for name, reference in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines))


def outcome_of_pytest(copy: Path, *arguments: str) -> tuple[int | None, str]:
    """The exit status of pytest in the copy, and what it prints. It is forked from a process that has
    imported the core, which imports no plug-in.
    """
    program = copy.parent / "program.py"
    program.write_text(PROGRAM)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return run([str(program), *arguments], inherited, copy)


def test_core_and_its_tests_import_no_plugin() -> None:
    files = sources(*(ROOT / folder for folder in CORE))
    assert {str(file.relative_to(ROOT)): found for file in files if (found := plugins_imported(file))} == {}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugin_and_its_tests_import_no_other_plugin(plugin: str) -> None:
    found = set().union(*map(plugins_imported, sources(ROOT / "plugins" / plugin)))
    assert found <= {plugin}


@pytest.mark.parametrize("plugin", PLUGINS)
def test_plugin_has_its_tests_and_its_page(plugin: str) -> None:
    folder = ROOT / "plugins" / plugin
    assert list((folder / "tests").glob("test_*.py"))
    assert (folder / "README.md").is_file()


@pytest.mark.parametrize("plugin", PLUGINS)
def test_core_starts_without_a_plugin(plugin: str, copy: Path) -> None:
    with taken_away([plugin], copy):
        status, output = outcome_of_pytest(copy, *STARTED)
    assert status == 0, output[-3000:]


def test_core_and_its_tests_need_no_plugin_and_its_variables_leave_with_it(copy: Path) -> None:
    """All of the core's tests are imported, and those of what it finds by entry points run."""
    assert {*OF_PLUGINS} <= variables().keys()
    left = copy / "tests" / "test_left.py"
    left.write_text(LEFT, "utf-8")
    with taken_away(PLUGINS, copy):
        status, output = outcome_of_pytest(copy, "tests", "-k", " or ".join(FOUND))
    left.unlink()
    assert status == 0, output[-3000:]
    assert int(re.findall(r"(\d+) passed", output)[0]) > 20, output[-3000:]
