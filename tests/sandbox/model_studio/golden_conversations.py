"""The golden conversations: the questions of documents, page, benchmarks and tests, with calls and answers.

Record all of them again, and review the difference:

    python -m tests.sandbox.model_studio.golden_conversations
"""

import json
from pathlib import Path
from typing import Any

from tests.sandbox.model_studio.script_session import AGENT, LEAVE, converse, tool

FILE = Path(__file__).with_suffix(".json")
ORDER = tool(
    "get_order_status", "Looks up the status of an order.", ["order_id"], order_id={"type": "string"}
)
TOOLS = {"agent": AGENT, "own": [LEAVE, ORDER], "none": []}
_LINES = 12
RESULTS = {
    "call_enterprise_service": {
        "greeting": "Hello, Alice! This is the enterprise service.",
        "message": None,
        "caller": {"access_identity": "Human", "subject": "user_alice01", "actor": None, "employee": "alice"},
        "request_id": "1-2ab3",
        "time": "2026-11-24T04:00:00+00:00",
    },
    "leave_balance": {
        "employee": "alice",
        "days_left": 12,
        "next_leave": {"from": "2026-12-12", "to": "2026-12-16", "status": "approved"},
        "request_id": "1-2ab3",
    },
    "leave_applications": {
        "employee": "alice",
        "applications": [{"days": 3, "from": "2026-11-30", "to": "2026-12-02", "reason": None}],
        "days_left": 9,
    },
    "leave_apply": {"status": "applied", "days": 3, "from": "2026-11-30", "to": "2026-12-02", "days_left": 9},
    "leave_cancel": {"status": "cancelled", "from": "2026-11-30", "to": "2026-12-02", "days_left": 12},
    "get_order_status": {"order_id": "A-1007", "status": "shipped", "parcels": [{"id": 1, "km": 12.5}]},
}


def play(case: dict[str, Any]) -> dict[str, Any]:
    """The calls that a case's question leads to now, and the first lines of the answer."""
    given = {key: case[key] for key in ("question", "earlier", "tools", "rules") if key in case}
    tools, rules = TOOLS[case.get("tools", "agent")], case.get("rules", {})
    rounds, text = converse(case["question"], tools, RESULTS, case.get("earlier", ()), **rules)
    return json.loads(json.dumps(given | {"calls": rounds, "answer": text.splitlines()[:_LINES]}))


def read() -> list[dict[str, Any]]:
    """The recorded cases."""
    cases: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return cases


def write(cases: list[dict[str, Any]]) -> None:
    """Replaces the file: one case a line, so that a difference shows the question."""
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    FILE.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    write([play(case) for case in read()])
