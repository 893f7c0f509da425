"""Runs LangGraph Server for Studio, against the configured cloud or the sandbox that runs: `make studio`.

    python scripts/studio.py [langgraph dev …]

Stops with every fault of the configuration, as `idaas-agent serve` does, and if its port is taken:
`langgraph dev` alone would start without a cloud, and would choose another port, of which Studio does not
know.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import typer  # noqa: E402 - after the path above

from agent.commands.terminal import err, settings_or_stop  # noqa: E402 - found by the path above
from agent.http.web_server import PortInUseError, listen  # noqa: E402 - found by the path above
from scripts.running_sandbox import sandbox_environment  # noqa: E402 - found by the path above

PORT = int(os.environ.get("STUDIO_PORT", "2024"))


def main() -> None:
    """Becomes `langgraph dev`."""
    variables = dict(os.environ)
    if "CLOUD_IDAAS_CONFIG_PATH" not in variables and (sandbox := sandbox_environment()):
        # A company's SSL_CERT_FILE in the shell does not know the sandbox's certificates.
        variables = sandbox | variables | {"SSL_CERT_FILE": sandbox["SSL_CERT_FILE"]}
        err.print(f"with the sandbox that runs: {sandbox['CLOUD_IDAAS_CONFIG_PATH']}")
    try:
        settings_or_stop(variables)
        listen("127.0.0.1", PORT, "LangGraph Server", "STUDIO_PORT").close()
    except PortInUseError as error:
        sys.exit(error.strerror)
    except typer.Exit:
        sys.exit(1)
    program, *arguments = sys.argv[1:]
    os.execvpe(program, [program, *arguments, "--port", str(PORT)], variables)  # noqa: S606 - of the Makefile


if __name__ == "__main__":
    main()
