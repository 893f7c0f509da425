"""The variables that `person` needs: `tests/every_command.py`."""

from tests.every_command import CONFIGURATION, Row

ROWS = {
    "person erase": Row("--subject carol --yes", (CONFIGURATION,), status=1, says="nothing is kept about"),
    "person export": Row(
        "--subject carol --to carol.zip", (CONFIGURATION,), status=1, says="nothing is kept about"
    ),
    "person inventory": Row(says="table messages"),
}
