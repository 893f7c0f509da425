"""Prints the routes of Aegra, as `METHOD /path/{parameter}`, one a line. Run with Aegra's Python."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
sys.path.insert(0, str(ROOT))

from aegra_api.main import app  # noqa: E402 - found by the path above

from tests.agent.api.langgraph.langgraph_dev import routes_of  # noqa: E402 - found by the path above

print("\n".join(sorted(set(routes_of(app.routes)))))  # noqa: T201 - the output of this program
