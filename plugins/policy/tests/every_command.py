"""The variables that `can` and `policy` need: `tests/every_command.py`."""

from tests.every_command import CONFIGURATION, Row

ROWS = {
    "can": Row("user_alice01", (CONFIGURATION,), says='"services": []'),
    "policy check": Row("", ("POLICY_FILE",), says="1 rules are valid"),
    "policy explain": Row(
        "--user alice --tool pay", ("POLICY_FILE",), ("SERVICES_FILE",), says="ask: payments.pay"
    ),
    "policy replay": Row("--audit audit.jsonl", ("POLICY_FILE",)),
    "policy test": Row("", ("POLICY_FILE",), ("SERVICES_FILE",), says="1 of 1 cases are as expected"),
}
