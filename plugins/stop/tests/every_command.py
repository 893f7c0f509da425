"""The variables that `stop` and `start` need: `tests/every_command.py`."""

from tests.every_command import CONFIGURATION, Row

ROWS = {
    "start": Row("leave", status=1, says="not stopped: the service leave"),
    "stop": Row("--all --wait 0", (CONFIGURATION,), status=3, says="stopped: all calls"),
}
