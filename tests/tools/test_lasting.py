"""What a lasting approval covers: bounds that can be narrowed and never widened."""

from typing import Any

import pytest

from tools.approval_policy import Effect, ToolPolicy
from tools.lasting import LONGEST_SECONDS, Lasting

pytestmark = pytest.mark.promise("grants-are-bounded")

COVERED: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({"equal": 1}, [1], [1.0, True, "1", 2, None]),
    ({"equal": {"b": [1], "a": 2}}, [{"a": 2, "b": [1]}], [{"a": 2}, {"a": 2, "b": [1, 1]}]),
    ({"one_of": ["a", 2]}, ["a", 2], ["b", 2.0, ["a", 2]]),
    ({"min": 0, "max": 500}, [0, 500, 12.5], [-1, 500.01, "12", True, None, float("nan")]),
    ({"prefix": "P-"}, ["P-", "P-1"], ["p-1", " P-1", ["P-1"], 1]),
]


@pytest.mark.parametrize(("form", "inside", "outside"), COVERED)
def test_bound_covers_values_of_its_type_only(
    form: dict[str, Any], inside: list[Any], outside: list[Any]
) -> None:
    lasting = Lasting(60, bounds={"a": form})
    assert all(lasting.covers({"a": each}) for each in inside)
    assert not any(lasting.covers({"a": each}) for each in outside)


@pytest.mark.parametrize(
    "form",
    [
        *({}, {"prefix": ""}, {"one_of": []}, {"min": 1}, {"max": 1}, {"min": 2, "max": 1}),
        *(
            {"min": True, "max": 2},
            {"min": 0, "max": float("inf")},
            {"equal": 1, "prefix": "a"},
            {"like": "a"},
        ),
    ],
)
def test_bound_of_another_form_is_refused(form: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a bound must be"):
        Lasting(60, bounds={"a": form})


def test_call_with_a_missing_or_an_unbounded_argument_is_not_covered() -> None:
    lasting = Lasting(60, bounds={"amount": {"min": 0, "max": 5}, "to": {"equal": "ann"}})
    assert lasting.covers({"to": "ann", "amount": 5})
    for arguments in ({"amount": 5}, {"amount": 5, "to": "ann", "note": ""}, {"amount": 5, "to": "bob"}, {}):
        assert not lasting.covers(arguments)


def test_arguments_without_a_declared_bound_that_covers_them_are_offered_as_they_are() -> None:
    declared = Lasting(60, bounds={"amount": {"min": 0, "max": 5}, "unused": {"prefix": "x"}})
    offered = declared.offered_for({"amount": 9, "to": "ann"})
    assert offered.bounds == {"amount": {"equal": 9}, "to": {"equal": "ann"}}
    assert declared.offered_for({"amount": 3}).bounds == {"amount": {"min": 0, "max": 5}}


OFFER = Lasting(
    60, True, {"amount": {"min": 0, "max": 500}, "to": {"one_of": ["a", "b"]}, "p": {"prefix": "P-"}}
)


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"seconds": 1, "bounds": {"amount": {"min": 1, "max": 500}}},
        {"bounds": {"amount": {"equal": 7}, "to": {"one_of": ["b"]}, "p": {"prefix": "P-1"}}},
        {"bounds": {"p": {"one_of": ["P-1", "P-2"]}}},
    ],
)
def test_offer_can_be_narrowed_in_every_member(chosen: dict[str, Any]) -> None:
    narrow = OFFER.narrowed(chosen)
    assert narrow.bounds == OFFER.bounds | chosen.get("bounds", {})
    assert narrow.seconds == chosen.get("seconds", 60)


@pytest.mark.parametrize(
    "chosen",
    [
        None,
        [],
        "all",
        {"until": 1},
        {"seconds": 61},
        {"seconds": 0},
        {"seconds": True},
        {"seconds": 1.0},
        {"conversation_only": False},
        {"conversation_only": None},
        {"bounds": None},
        {"bounds": {"to": None}},
        {"bounds": {"to": {"prefix": "a"}}},
        {"bounds": {"to": {"equal": "c"}}},
        {"bounds": {"p": {"prefix": "P"}}},
        {"bounds": {"p": {"min": 0, "max": 1}}},
        {"bounds": {"new": {"equal": 1}}},
        {"bounds": {"amount": {"min": -1, "max": 5}}},
        {"bounds": {"amount": {"min": 0, "max": 501}}},
        {"bounds": {"amount": {"prefix": "5"}}},
        {"bounds": {"amount": {"min": 0, "max": 10**400}}},
        {"bounds": {"amount": {"equal": 10**400}}},
    ],
)
def test_offer_cannot_be_widened(chosen: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        OFFER.narrowed(chosen)


def test_rules_offer_no_longer_than_the_tool_does_and_nothing_external_beyond_the_conversation() -> None:
    policy = ToolPolicy(lasting=Lasting(60, conversation_only=False))
    assert policy.offered({}, LONGEST_SECONDS) == Lasting(60, conversation_only=False)
    external = ToolPolicy(Effect.EXTERNAL).offered({"to": "ann"}, 90)
    assert external == Lasting(90, conversation_only=True, bounds={"to": {"equal": "ann"}})
