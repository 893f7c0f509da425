"""The variables that the commands of receipts need: `tests/every_command.py`. Those of signing have no value
in the sandbox, and each command names the one that it lacks.
"""

from tests.every_command import Row

ROWS = {
    "audit keys": Row("", status=2, says="AUDIT_SIGNING_NAME"),
    "audit receipt": Row("call_1 audit.jsonl", status=2, says="AUDIT_SIGNING_NAME"),
    "audit sign": Row("audit.jsonl", status=2, says="AUDIT_SIGNING_NAME"),
    "audit verify-receipt": Row("audit.jsonl --key a", status=2, says="No such file"),
}
