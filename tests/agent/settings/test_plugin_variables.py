"""Variables that another package declares: read, checked and listed with the agent's own."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.settings.plugin_variables import plugin_groups
from agent.settings.settings import read_command_settings, read_settings, variable_groups, variables
from agent.settings.variable_names import misspelt_variables
from identity.errors import ConfigurationError
from tests.suite import Sandbox

PAGE = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text("utf-8")
[CODE] = re.findall(r"<!-- greeting_variables.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)
ENTRY = "greeting = greeting_variables:GreetingVariables"
COLLIDES = CODE.replace("greeting_word: Literal", "agent_port: int = 1\n    greeting_word: Literal")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("greeting_variables", None)
    plugin_groups.cache_clear()


def install(folder: Path, entries: str = ENTRY, code: str = CODE) -> None:
    (folder / "greeting_variables.py").write_text(code)
    metadata = folder / "greeting-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[idaas_agent.variables]\n{entries}\n")
    plugin_groups.cache_clear()


def group() -> Any:
    return sys.modules["greeting_variables"].GreetingVariables


def test_variable_of_a_package_is_read_and_listed_with_the_others(packages: Path, sandbox: Sandbox) -> None:
    install(packages)
    assert read_settings(sandbox.environment).of(group()).greeting_word == "hello"
    settings = read_settings(sandbox.environment | {"GREETING_WORD": '"hi"'})
    assert settings.of(group()).greeting_word == "hi"
    assert (variables()["GREETING_WORD"], variable_groups()[-1].heading) != (None, "")
    assert "Greeting" in [each.heading for each in variable_groups()]
    [hint] = misspelt_variables({"GREETING_WORDS": "hi"})
    assert hint.endswith("did you mean GREETING_WORD?")


def test_faults_of_a_package_s_variables_are_reported_with_all_others(
    packages: Path, sandbox: Sandbox
) -> None:
    install(packages)
    wrong = {"GREETING_WORD": "ho", "AGENT_PORT": "x"}
    with pytest.raises(ConfigurationError) as refused:
        read_settings(sandbox.environment | wrong)
    assert sorted(fault.split(" ")[0] for fault in refused.value.faults) == ["AGENT_PORT", "GREETING_WORD"]


def test_command_misses_a_package_s_variable_when_it_reads_it(packages: Path, sandbox: Sandbox) -> None:
    install(packages)
    settings = read_command_settings(sandbox.environment | {"GREETING_WORD": "ho"})
    assert settings.agent_port
    with pytest.raises(ConfigurationError) as refused:
        _ = settings.of(group()).greeting_word
    assert refused.value.faults[0].startswith("GREETING_WORD must be")


def test_variable_of_a_package_that_is_not_installed_is_unknown(packages: Path, sandbox: Sandbox) -> None:
    install(packages)
    read_settings(sandbox.environment)
    declared = group()
    sys.path.remove(str(packages))
    plugin_groups.cache_clear()
    settings = read_settings(sandbox.environment | {"GREETING_WORD": "ho"})
    assert "GREETING_WORD" not in variables()
    with pytest.raises(TypeError, match="GreetingVariables is no group of an installed package"):
        settings.of(declared)


@pytest.mark.parametrize(
    ("entries", "code", "fault"),
    [
        (ENTRY, COLLIDES, "AGENT_PORT is declared twice: by the agent and by greeting_variables"),
        (
            f"{ENTRY}\nsecond = greeting_variables:GreetingVariables",
            CODE,
            "GREETING_WORD is declared twice: by greeting_variables and by greeting_variables",
        ),
        ("greeting = greeting_variables:Literal", CODE, 'entry point "greeting" must be a class of Plugin'),
        ("greeting = greeting_variables:MISSING", CODE, 'entry point "greeting" cannot be used: it raised'),
    ],
)
def test_what_cannot_be_declared_stops_the_start(
    packages: Path, sandbox: Sandbox, entries: str, code: str, fault: str
) -> None:
    install(packages, entries, code)
    with pytest.raises(ConfigurationError) as refused:
        read_settings(sandbox.environment)
    assert refused.value.faults[0].startswith(fault)
