"""JSON that two parsers could read differently is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.strict_json import MAX_DEPTH, read_object, read_value


def nested(levels: int, opening: bytes = b'{"a":', closing: bytes = b"}") -> bytes:
    return opening * levels + b"1" + closing * levels


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"[]",
        b"{}{}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":-1e999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        nested(MAX_DEPTH + 2),
        b'{"a":' + nested(MAX_DEPTH + 1, b"[", b"]") + b"}",
        nested(100_000),
        b"[" * 100_000,
    ],
)
def test_text_that_is_not_one_unambiguous_object_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(is|contains) ") as caught:
        read_object(text)
    assert type(caught.value) is ValueError
    assert "a" * 3 not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [b"{}", b' {"a": [1, 2.5, null, true]} ', nested(MAX_DEPTH), b'{"a":"\\ud83d\\ude00"}', b'{"":1e308}'],
)
def test_unambiguous_object_is_read(text: bytes) -> None:
    assert isinstance(read_object(text), dict)


def test_many_siblings_do_not_count_as_depth() -> None:
    assert len(read_object(b'{"a":[' + b"[]," * 100 + b"[]]}")["a"]) == 101


@given(st.binary(max_size=200))
def test_any_bytes_return_an_object_or_raise_value_error(text: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(read_object(text), dict)


@pytest.mark.parametrize(
    "text", [b"1e400", b"[-1e9999]", b'{"a":1.5e308999}', b"[0.1e+400]", b"9" * 320 + b".5"]
)
def test_number_of_a_request_that_no_json_can_carry_on_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"(?i)out of range"):
        read_value(text)


@pytest.mark.parametrize("text", [b"1e308", b'"1e400"', b"[-1.7e+308, 1e-400]", b"1" * 300])
def test_number_within_range_or_in_a_text_of_a_request_is_read(text: bytes) -> None:
    read_value(text)
