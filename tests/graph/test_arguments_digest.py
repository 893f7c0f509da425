"""The digest of arguments: equal for equal JSON, and only for it."""

import pytest

from graph.call_arguments import arguments_digest


def test_order_of_members_does_not_change_the_digest() -> None:
    assert arguments_digest({"a": 1, "b": {"c": 2, "d": 3}}) == arguments_digest(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )


@pytest.mark.parametrize(
    "other", [{"a": 2}, {"a": 1.0}, {"a": "1"}, {"a": True}, {"a": [1]}, {"a": 1, "b": None}, {"A": 1}, {}]
)
def test_other_arguments_have_another_digest(other: dict[str, object]) -> None:
    assert arguments_digest(other) != arguments_digest({"a": 1})


def test_digest_is_the_sha_256_of_the_canonical_json() -> None:
    # printf '{"a":1,"b":"\\u4f60"}' | sha256sum
    expected = "67fc223e80b5c3ed188702cc0ce5c1a4e46605c0714ab5730d1b2a7baa794faf"
    assert arguments_digest({"b": "你", "a": 1}) == expected


@pytest.mark.parametrize("arguments", [{"a": float("nan")}, {"a": object()}])
def test_what_is_not_json_has_no_digest(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"JSON"):
        arguments_digest(arguments)
