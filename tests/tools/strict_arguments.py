"""Arguments that break the schema of a tool, each with the path of the faulty one, for every kind of tool."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from tools.http_service.client import ServiceClient

VALID: dict[str, Any] = {"days": 3, "order": {"amount": 5}}
BREAKS: dict[str, tuple[dict[str, Any], str]] = {
    "text for an integer": ({"days": "3"}, "days"),
    "whole decimal for an integer": ({"days": 3.0}, "days"),
    "decimal for an integer": ({"days": 2.5}, "days"),
    "true for an integer": ({"days": True}, "days"),
    "null for an integer": ({"days": None}, "days"),
    "array for an integer": ({"days": [3]}, "days"),
    "below the minimum": ({"days": 0}, "days"),
    "true for a number": ({"price": True}, "price"),
    "text for a number": ({"price": "1.5"}, "price"),
    "text for a boolean": ({"paid": "true"}, "paid"),
    "1 for a boolean": ({"paid": 1}, "paid"),
    "number for a text": ({"reason": 5}, "reason"),
    "object for a text": ({"reason": {"text": "x"}}, "reason"),
    "too long": ({"reason": "x" * 11}, "reason"),
    "none of the values": ({"kind": "other"}, "kind"),
    "true for a value": ({"level": True}, "level"),
    "text for an object": ({"order": '{"amount": 5}'}, "order"),
    "nested text": ({"order": {"amount": "5"}}, "order.amount"),
    "nested and missing": ({"order": {}}, "order.amount"),
    "text for an array": ({"names": "ann"}, "names"),
    "item of an array": ({"names": ["ann", 5]}, "names.1"),
    "too many items": ({"names": ["a", "b", "c"]}, "names"),
    "extra": ({"hours": 1}, "hours"),
}
"""Each replaces or adds members of `VALID`."""

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "days": {"type": "integer", "minimum": 1},
        "order": {
            "type": "object",
            "properties": {"amount": {"type": "integer"}, "note": {"type": "string"}},
            "required": ["amount"],
        },
        "price": {"type": "number"},
        "paid": {"type": "boolean"},
        "reason": {"type": "string", "maxLength": 10},
        "kind": {"enum": ["annual", "sick"]},
        "level": {"enum": [1, 2]},
        "names": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
    },
    "required": ["days", "order"],
    "additionalProperties": False,
}


class Kind(StrEnum):
    """Of leave."""

    ANNUAL = "annual"
    SICK = "sick"


class Order(BaseModel):
    """Nested."""

    amount: int
    note: str | None = None


async def book(
    _http: ServiceClient,
    days: Annotated[int, Field(ge=1)],
    order: Order,
    price: float = 0,
    paid: bool = False,
    reason: Annotated[str, Field(max_length=10)] = "",
    kind: Kind = Kind.ANNUAL,
    level: Literal[1, 2] = 1,
    names: Annotated[tuple[str, ...], Field(max_length=2)] = (),
) -> str:
    """Books leave."""
    return repr((days, order, price, paid, reason, kind, level, names))
