"""`Retry-After` of any server is a finite delay in seconds, or ignored."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from identity.transport.retry import retry_after

DATE = "Wed, 21 Oct 2099 07:28:00"


def delay(value: str) -> float:
    return retry_after({"retry-after": value})


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7), (" 7 ", 7), (" 3\t", 3), ("0", 0), ("31536000", 31_536_000)]
)
def test_seconds_are_returned_unchanged(value: str, seconds: float) -> None:
    assert delay(value) == seconds


@pytest.mark.parametrize("digits", [9, 41, 400, 5000])
def test_delay_of_more_than_a_year_is_a_year(digits: int) -> None:
    assert delay("9" * digits) == 31_536_000


def test_absent_header_requests_no_delay() -> None:
    assert retry_after({}) == 0


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000", "+1400", "-9999", ""])
def test_date_is_in_gmt_whatever_its_zone(zone: str) -> None:
    expected = (datetime(2099, 10, 21, 7, 28, tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    assert delay(f"{DATE} {zone}".strip()) == pytest.approx(expected, abs=60)


@pytest.mark.parametrize(
    "value",
    ["Wednesday, 21-Oct-15 07:28:00 GMT", "Sun Nov  6 08:49:37 1994", "Wed, 21 Oct 2015 07:28:00 GMT"],
)
def test_date_in_the_past_requests_no_delay(value: str) -> None:
    assert delay(value) == 0


def test_date_is_relative_to_now() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert delay(soon) == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    "value",
    [
        f"{DATE} +99999999999999",
        f"{DATE} -99999999999999",
        "Wed, 3333333332 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 99999 07:28:00 GMT",
        "Wed, 21 Oct 0000 07:28:00 GMT",
        "Wed, 21 Oct 2099 07:28:99999999999 GMT",
        "-1",
        "1.5",
        "1e9",
        "\xa03",
        "3\x85",
        "\x1f3",
        "٣",
        "²",
        "soon",
        "",
        "nan",
    ],
)
def test_other_value_is_ignored(value: str) -> None:
    assert delay(value) == 0


@given(st.text(max_size=60) | st.from_regex(r"\AWed, \d+ Oct \d+ \d+:\d+:\d+ [A-Z+-]?\d*\Z", fullmatch=True))
@example(f"{DATE} +99999999999999")
def test_any_value_returns_a_finite_delay(value: str) -> None:
    seconds = delay(value)
    assert seconds >= 0
    assert math.isfinite(seconds)
