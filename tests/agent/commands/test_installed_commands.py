"""Commands are found by entry points, those of other packages too, and imported when they are typed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.forked import run

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "plugins.md").read_text("utf-8")
[REPORT] = re.findall(r"<!-- report_command.py -->\n```python\n(.*?)```", PAGE, re.DOTALL)


def install(folder: Path, entry: str) -> None:
    """A distribution with a command in `folder`, a folder of installed packages."""
    metadata = folder / "report_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: report-package\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[idaas_agent.commands]\n{entry}\n")
    (folder / "report_command.py").write_text(REPORT)


def typed(*arguments: str, folder: Path) -> tuple[int | None, str]:
    """The exit status of the command line with `arguments`, and what it printed."""
    program = folder / "program.py"
    program.write_text(f"import sys; sys.path.insert(0, {str(folder)!r}); from agent.cli import main; main()")
    return run([str(program), *arguments], {"PATH": os.environ["PATH"]}, ROOT)


def test_command_of_another_package_is_listed_and_run(tmp_path: Path) -> None:
    install(tmp_path, "report = report_command:report")
    assert "Prints the report of a day." in typed("--help", folder=tmp_path)[1]
    assert typed("report", "Monday", folder=tmp_path) == (0, "report of Monday\n")


def test_command_of_another_package_replaces_none_of_the_agents(tmp_path: Path) -> None:
    install(tmp_path, "audit = report_command:report")
    assert "The audit log" in typed("audit", "--help", folder=tmp_path)[1]


def test_command_of_another_package_that_cannot_be_imported_stops_no_other(tmp_path: Path) -> None:
    install(tmp_path, "report = report_command:report")
    (tmp_path / "report_command.py").write_text('raise ValueError("sesame")')
    status, listed = typed("--help", folder=tmp_path)
    assert status == 0
    assert "Cannot be imported: ValueError." in listed
    assert "accept-tools" in listed
    status, named = typed("report", "Monday", "--day", "2", folder=tmp_path)
    assert (status, "report-package" in named, "sesame" in named) == (1, True, False)


def test_command_is_imported_when_it_is_typed(tmp_path: Path) -> None:
    install(tmp_path, "report = report_command:report")
    program = (
        "import atexit, sys; from agent.cli import main\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    done = subprocess.run(  # noqa: S603 - fixed command
        [sys.executable, "-c", program, "grants", "--help"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = done.stderr.split()
    assert "agent.commands.grants" in loaded
    assert not {"agent.commands.doctor.command", "sandbox.commands.up", "report_command"} & set(loaded)


def test_command_of_another_package_joins_a_group_and_replaces_none_of_its_commands(tmp_path: Path) -> None:
    entries = "audit.report = report_command:report\naudit.show = report_command:report"
    install(tmp_path, f"{entries}\nserve.report = report_command:report")
    assert typed("audit", "report", "Monday", folder=tmp_path) == (0, "report of Monday\n")
    assert "Prints the records" in typed("audit", "show", "--help", folder=tmp_path)[1]
    assert "audit.report" not in typed("--help", folder=tmp_path)[1]
    assert typed("audit.report", "Monday", folder=tmp_path)[0] == 2


def test_command_of_a_group_that_cannot_be_imported_stops_no_other(tmp_path: Path) -> None:
    install(tmp_path, "audit.report = report_command:report")
    (tmp_path / "report_command.py").write_text('raise ValueError("sesame")')
    status, listed = typed("audit", "--help", folder=tmp_path)
    assert (status, "Cannot be imported: ValueError." in listed, "verify" in listed) == (0, True, True)
