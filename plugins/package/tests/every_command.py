"""The variables that `package` and `trigger-jwks` need: `tests/every_command.py`."""

from tests.every_command import AGENT, AUTHORITIES, CONFIGURATION, Row

PACKAGED = tuple(name for name in AGENT if name != "IDAAS_CLIENT_SECRET")
"""The secret stays where the agent is deployed."""
ROWS = {
    "package agentrun": Row("", PACKAGED, status=1, says="CLIENT_SECRET_POST needs a secret"),
    "package enterprise-service": Row(
        "--region mars", (CONFIGURATION, "ENTERPRISE_SERVICE_SCOPE"), (AUTHORITIES,), 1, "region"
    ),
    "package tree": Row("--out own", PACKAGED, says="next: docker build"),
    "trigger-jwks": Row("", (CONFIGURATION,), (AUTHORITIES,), says='"kty"'),
}
