"""The variables that `audit usage` needs: `tests/every_command.py`."""

from tests.every_command import Row

ROWS = {"audit usage": Row("audit.jsonl", says="no response of a model is on record")}
