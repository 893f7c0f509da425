"""What another package hears of a new question, and what becomes of a question that it fails to hear."""

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from identity.errors import ConfigurationError
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.graph.scripted_model import DONE
from tests.suite import Sandbox

PAGE = (Path(__file__).parents[3] / "docs" / "plugins.md").read_text("utf-8")
[BELL] = re.findall(r"<!-- bell_listener.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)
FAILS = 'raise ValueError("text-of-a-listener")'


def install(folder: Path, module: str, code: str | None) -> None:
    """A distribution with a listener; without `code`, its module is missing."""
    if code is not None:
        (folder / f"{module}.py").write_text(code)
    metadata = folder / f"{module}_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}-package\nVersion: 1.0\n")
    entry = f"[idaas_agent.question_listeners]\n{module} = {module}:bell\n"
    (metadata / "entry_points.txt").write_text(entry)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for module in ("bell_listener", "broken_listener"):
        sys.modules.pop(module, None)


async def test_listener_hears_of_each_question_of_a_run(
    packages: Path, threads: ThreadsOf, capsys: pytest.CaptureFixture[str]
) -> None:
    install(packages, "bell_listener", BELL)
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    await served.say("Apply for leave")
    assert capsys.readouterr().out.startswith('asked: The agent asks to call "Apply for leave (leave_apply)"')
    await served.agent.aclose()
    assert capsys.readouterr().out == "closed\n"


async def test_question_is_asked_and_others_hear_of_it_if_a_listener_fails(
    packages: Path, threads: ThreadsOf, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    install(packages, "bell_listener", BELL.replace('print("asked:', f'{FAILS}; print("asked:'))
    install(packages, "broken_listener", BELL)
    served = await threads([APPLY, DONE], ACCESS_IDENTITY="Human")
    with caplog.at_level(logging.WARNING):
        await served.say("Apply for leave")
    assert (await served.ask("GET", "/threads/thread-1")).json()["status"] == "paused"
    assert capsys.readouterr().out.startswith('asked: The agent asks to call "Apply for leave (leave_apply)"')
    assert "a listener of questions failed: it raised ValueError at bell_listener.py:" in caplog.text
    assert "text-of-a-listener" not in caplog.text


def test_listener_that_cannot_be_imported_stops_the_start(
    packages: Path, sandbox: Sandbox, tmp_path: Path
) -> None:
    install(packages, "broken_listener", None)
    database = {"CONVERSATIONS_URL": f"sqlite:///{tmp_path}/conversations.db"}
    with pytest.raises(ConfigurationError) as refused:
        Agent(read_settings(sandbox.environment | database))
    [fault] = refused.value.faults
    assert fault.startswith('entry point "broken_listener" cannot be used: it raised ModuleNotFoundError')
