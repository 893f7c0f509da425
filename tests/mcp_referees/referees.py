"""Where the referees of MCP are installed: `make mcp-test`."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent
PYTHON = FOLDER.parents[1] / ".venv-mcp2" / "bin" / "python"
NODE = os.environ.get("MCP_NODE", "node")
PACKAGES = FOLDER / "node_modules" / "@modelcontextprotocol"
