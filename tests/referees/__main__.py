"""`python -m tests.referees [--checkout FOLDER] name`: runs a referee, and writes its part of the page.

Exit status 1 if a case fails that `referees.toml` does not explain, or a row of it explains nothing.
"""

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.referees.page import PAGE, results
from tests.referees.referee import TABLE, read_referees
from tests.referees.verdict import Verdict

_ROOT = Path(__file__).parents[2]
_SHOWN = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one referee."""
    referees = read_referees(TABLE.read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(prog="python -m tests.referees", description=__doc__)
    parser.add_argument("name", choices=list(referees))
    parser.add_argument("--checkout", type=Path, help="a checkout of the revision that the page names")
    options = parser.parse_args(arguments)
    referee = referees[options.name]
    try:
        folder = referee.folder(options.checkout)
    except ValueError as error:
        parser.error(str(error))
    logging.disable()
    verdict = Verdict(list(referee.run(folder)), referee.differences)
    passed = len(verdict.cases) - len(verdict.failed)
    sys.stdout.write(f"{referee.title}: {passed} of {len(verdict.cases)} passed\n")
    for case in verdict.unexplained[:_SHOWN]:
        sys.stdout.write(f"  {case}\n")
    if len(verdict.unexplained) > _SHOWN:
        sys.stdout.write(f"  … and {len(verdict.unexplained) - _SHOWN} more\n")
    for row in verdict.obsolete:
        sys.stdout.write(f"  nothing differs as {row.cases!r} says\n")
    if verdict.holds:
        about = f"{_today()}, revision {_revision()} of the agent; {referee.title}, {referee.version}."
        PAGE.write({referee.name: results(verdict, about)})
    return 0 if verdict.holds else 1


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def _revision() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
