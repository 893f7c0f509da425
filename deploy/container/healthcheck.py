"""The container's health check: exit status 0 if the agent answers `/health`. Needs no other program."""

import os
import sys
import urllib.request

try:
    port = int(os.environ.get("AGENT_PORT", "9002"))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=3) as response:
        sys.exit(0 if response.status == 200 else 1)
except (OSError, ValueError):
    sys.exit(1)
