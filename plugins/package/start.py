"""Starts a packaged agent. Copied to `main.py` of the package, it imports no other file of it at import.

Checks that the interpreter is the one for which the dependencies were installed, and serves.
"""

import sys
from pathlib import Path

CODE = Path(__file__).resolve().parent
DEPENDENCIES = CODE / "python"


def main() -> None:
    """Serves until stopped; ends with one line if the interpreter does not fit."""
    expected = (DEPENDENCIES / ".python-version").read_text("ascii").strip()
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != expected:
        sys.exit(
            f"this package has dependencies for Python {expected}, and {sys.executable} is Python {version}: "
            f"start it with python{expected}"
        )
    sys.path[:0] = [str(CODE), str(DEPENDENCIES)]
    from agent.cli import main as idaas_agent

    sys.argv = ["idaas-agent", "serve"]
    idaas_agent()


if __name__ == "__main__":
    main()
