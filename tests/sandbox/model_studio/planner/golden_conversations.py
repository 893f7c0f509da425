"""The golden conversations: each question with the calls and the answer of the stand-in model.

Record all of them again, and review the difference:

    python -m tests.sandbox.model_studio.planner.golden_conversations
"""

import json
from pathlib import Path
from typing import Any

from tests.sandbox.model_studio.planner.own_tools import EXPENSES, ISO_EXPENSES, OWN
from tests.sandbox.model_studio.planner.planner_session import (
    ALL,
    APPLICATIONS,
    APPLY,
    CANCEL,
    ENTERPRISE,
    LEAVE,
    MAP,
    ORDER,
    conversation_of,
)

FILE = Path(__file__).with_suffix(".json")
TOOLS = {
    "agent": [*MAP, ENTERPRISE, LEAVE, APPLICATIONS, APPLY, CANCEL],
    "all": ALL,
    "own": OWN,
    "leave": [LEAVE, ORDER],
    "expenses": [EXPENSES],
    "iso_expenses": [ISO_EXPENSES],
    "none": [],
}
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
    "lookup_employee": {"name": "Zhang Wei", "email": "zhang.wei@example.com"},
    "book_meeting_room": {"ok": True, "room": "T2"},
    "travel_expenses": {"total": 420.5, "trips": [{"name": "Beijing", "nights": 2}], "rows": []},
    "project_budget": [{"title": "Apollo", "budget": 1000}, {"title": "Gemini", "budget": 2000}],
    "create_ticket": "T-1",
    "search_handbook": ["one", "two"],
    "shirt_price": 12,
}


def play(case: dict[str, Any]) -> dict[str, Any]:
    """What the planner does now with a case's question: its calls, and how its answer begins."""
    given = {key: case[key] for key in ("question", "earlier", "tools", "rules", "results") if key in case}
    results = RESULTS | case.get("results", {})
    texts = {name: text if isinstance(text, str) else json.dumps(text) for name, text in results.items()}
    rounds, text = conversation_of(
        case["question"],
        TOOLS[case.get("tools", "agent")],
        texts,
        tuple(case.get("earlier", ())),
        **case.get("rules", {}),
    )
    calls = [[[call.tool, dict(call.arguments)] for call in calls] for calls in rounds]
    return given | {"calls": calls, "answer": text.splitlines()[:_LINES]}


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
