"""JSON from outside is parsed within bounds."""

import json

import pytest

from identity.transport.json_size import MAX_CONTAINERS, TooLargeError, check_size, read_json
from tests.responsive import responsive

pytestmark = pytest.mark.promise("bounded")


@pytest.mark.parametrize(
    "value", [None, 5, "x", {"a": [1, {"b": '[{"'}]}, {"text": "[{\\" * 100_000}, ["[" * 100_000, '"'] * 3]
)
def test_usual_value_is_read(value):
    assert read_json(json.dumps(value)) == value


@pytest.mark.parametrize("piece", ["[]", "{}", '[""]', '{"a":1}'])
async def test_value_with_too_many_containers_is_not_parsed(piece):
    async with responsive():
        with pytest.raises(TooLargeError):
            read_json(f"[{','.join([piece] * MAX_CONTAINERS)}]")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        '"' + '\\"' * 300_000,
        '"' + '\\"[' * 300_000 + "\\",
        '["' * 300_000,
        '"[\\' * 300_000,
        "",
    ],
)
async def test_text_that_is_not_json_is_refused_quickly(text):
    async with responsive():
        with pytest.raises(ValueError, match=r"\w"):
            read_json(text)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        ([1] * 100, {"nodes": 100}),
        ({"a": {"b": [{}]}}, {"depth": 3}),
        ({"a" * 500: "b" * 501}, {"characters": 1_000}),
    ],
)
def test_value_beyond_one_of_its_bounds_is_refused(value, bounds):
    within = {"nodes": 101, "depth": 4, "characters": 1_001}
    check_size(value, **within)
    with pytest.raises(TooLargeError):
        check_size(value, **{**within, **bounds})
