"""The variables that `smoke` needs: `tests/every_command.py`."""

from tests.every_command import AGENT, AUTHORITIES, Row

ROWS = {"smoke": Row("", AGENT, (AUTHORITIES, "LLM_BASE_URL"), says="has the steps and differences")}
