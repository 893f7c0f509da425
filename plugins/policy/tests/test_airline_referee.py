"""The referee of the airline, with an airline of two users, two reservations and two tasks."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from plugins.policy.tests.airline_referee import run

USER = "mia_li_1"
ANOTHER = "ivan_rossi_2"
CARD = "credit_card_1"


def reservation(number: str, destination: str, cabin: str, created: str) -> dict[str, Any]:
    return {
        "reservation_id": number,
        "destination": destination,
        "cabin": cabin,
        "insurance": "no",
        "created_at": created,
        "total_baggages": 1,
        "passengers": [{"first_name": "Mia", "last_name": "Li", "dob": "1990-04-05"}],
        "flights": [{"flight_number": "F1", "date": "2024-05-20"}],
    }


def task(user: str, *actions: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    told = {"known_info": f"Your user id is {user}.", "reason_for_call": "", "task_instructions": None}
    expected = [{"name": name, "arguments": arguments} for name, arguments in actions]
    return {"id": "0", "user_scenario": {"instructions": told}, "evaluation_criteria": {"actions": expected}}


def test_expected_calls_are_made_and_forbidden_ones_stopped_where_the_policy_sees_why(tmp_path: Path) -> None:
    profile = {
        "membership": "gold",
        "payment_methods": {"certificate_1": {"source": "certificate"}, CARD: {"source": "credit_card"}},
        "reservations": ["OLD", "NEW"],
    }
    data = {
        "users": {USER: profile, ANOTHER: profile | {"reservations": []}},
        "reservations": {
            "OLD": reservation("OLD", "SEA", "basic_economy", "2024-05-01T00:00:00"),
            "NEW": reservation("NEW", "SFO", "economy", "2024-05-15T14:00:00"),
        },
        "flights": {"F1": {"dates": {"2024-05-20": {"status": "available"}}}},
    }
    bags = {"reservation_id": "NEW", "total_baggages": 2, "nonfree_baggages": 1, "payment_id": CARD}
    tasks = [
        task(
            USER,
            ("get_user_details", {"user_id": USER}),
            ("update_reservation_baggages", bags),
            ("cancel_reservation", {"reservation_id": "NEW"}),
        ),
        task(ANOTHER),
    ]
    domain = tmp_path / "data" / "tau2" / "domains" / "airline"
    domain.mkdir(parents=True)
    (domain / "tasks.json").write_text(json.dumps(tasks))
    (domain / "db.json").write_text(json.dumps(data))

    cases = list(run(tmp_path))
    assert [case for case in cases if case.fault] == []
    assert Counter(case.group for case in cases) == {
        "expected: unasked": 1,
        "expected: after the user's yes": 1,
        "expected: after a yes of staff": 1,
        "forbidden: denied": 4 + 2 + 2,  # two of each user; the last bag, and a certificate that pays
        "forbidden: staff decides": 1 + 1 + 2,  # a cancellation, basic economy, another destination
    }
    assert "a cancellation for which no reason is enough: mia_li_1 OLD" in [case.name for case in cases]
