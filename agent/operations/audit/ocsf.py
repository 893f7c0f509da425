"""An audit record as an event of OCSF 1.8.0 (https://schema.ocsf.io/1.8.0/), for `AUDIT_FORMAT=ocsf`.

`unmapped` has the record itself, which `verify`, `show` and `explain` read; the hash is of the whole line.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tools import VERSION

_NAME: Final = "idaas-agent"
_PRODUCT: Final = {"name": _NAME, "vendor_name": _NAME, "version": VERSION}
_CLASSES: Final[Mapping[str, tuple[int, int]]] = {
    "authentication": (3002, 1),
    **dict.fromkeys(
        ("token_exchange", "machine_token", "jwt_issue", "cloud_role_issue", "oauth_token_issue"), (3002, 4)
    ),
    "api_key_issue": (6003, 1),
    "access_restored": (3005, 1),
    "access_revoked": (3005, 2),
}
"""Class and activity of an event; others are API activities, by the effect of the tool."""
_EFFECTS: Final = {"read": 2, "write": 3}
_STATUSES: Final = {"succeeded": 1, "refused": 2, "failed": 2}
_SEVERITIES: Final = {"refused": 2, "failed": 3}
_CONTROLS: Final[Mapping[tuple[str, str], tuple[int, int]]] = {
    ("tool_call", "started"): (1, 1),
    ("tool_call", "succeeded"): (1, 1),
    ("tool_call", "refused"): (2, 2),
    ("approval_requested", "succeeded"): (0, 23),
    ("approval_decided", "succeeded"): (1, 8),
    ("approval_decided", "refused"): (2, 25),
    ("grant_given", "succeeded"): (1, 8),
    ("grant_withdrawn", "succeeded"): (2, 24),
    ("access_revoked", "succeeded"): (2, 24),
    ("access_restored", "succeeded"): (1, 9),
}
"""Action and disposition of what was decided (the profile `security_control`)."""


def ocsf_event(record: Mapping[str, Any]) -> dict[str, Any]:
    """The event of `record`, all members of a line but its hash. Its last member is `unmapped`."""
    event, outcome, service = record["event"], record["outcome"], record["service"] or "idaas"
    kind, activity = _CLASSES.get(event, (6003, _EFFECTS.get(record["effect"], 99)))
    control = (3, 17) if record["observed"] and outcome != "refused" else _CONTROLS.get((event, outcome))
    model, who, policy = record["model"], record["principal"], record["policy"]
    user = {"uid": who["sub"], "domain": who["iss"]} if who else {"name": _NAME}
    request = {"uid": record["call_id"] or record["request_id"] or record["process"]}
    of_class: dict[int, dict[str, Any]] = {
        3002: {"user": user, "auth_protocol_id": 6, "service": {"name": record["audience"] or service}},
        3005: {"user": user, "privileges": ["access tokens"]},
        6003: {
            "actor": {"user": user},
            "api": {"operation": record["tool"] or event, "service": {"name": service}, "request": request},
            "src_endpoint": {"name": _NAME, "uid": record["process"]},
        },
    }
    profiles = {"security_control": control, "ai_operation": model}
    members = {
        "time": round(datetime.fromisoformat(record["time"]).timestamp() * 1000),
        "class_uid": kind,
        "category_uid": kind // 1000,
        "activity_id": activity,
        "activity_name": event,
        "type_uid": kind * 100 + activity,
        "severity_id": _SEVERITIES.get(outcome, 1),
        "status_id": _STATUSES.get(outcome, 99),
        "status": outcome,
        "status_code": record["error"],
        "duration": None if record["duration_ms"] is None else round(record["duration_ms"]),
        "metadata": _given(
            version="1.8.0",
            product=_PRODUCT,
            uid=f"{record['process']}:{record['seq']}",
            correlation_uid=record["request_id"],
            profiles=[name for name, used in profiles.items() if used],
        ),
        **of_class[kind],
        "ai_model": model and {"ai_provider": "openai", "name": model},
        "action_id": control and control[0],
        "disposition_id": control and control[1],
        "policy": policy and {"uid": policy, "name": ", ".join(record["rules"]) or "policy"},
        "unmapped": {name: value for name, value in _given(**record).items() if name != "time"},
    }
    return _given(**members)


def _given(**members: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {name: value for name, value in members.items() if value is not None}
