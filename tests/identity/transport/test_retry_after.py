"""`Retry-After` as any server may write it: a wait in seconds, or nothing."""

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from identity.transport.retry_after import retry_after

DATE = "Wed, 21 Oct 2099 07:28:00"


def waits(value: str) -> float:
    return retry_after({"retry-after": value})


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), (" 7 ", 7), ("0", 0), ("99999999", 99_999_999)])
def test_seconds_are_taken_as_they_are(value: str, seconds: float) -> None:
    assert waits(value) == seconds


def test_a_header_that_is_absent_asks_for_no_wait() -> None:
    assert retry_after({}) == 0


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000", "+1400", "-9999", ""])
def test_a_date_is_in_gmt_whatever_its_zone_says(zone: str) -> None:
    expected = (datetime(2099, 10, 21, 7, 28, tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    assert waits(f"{DATE} {zone}".strip()) == pytest.approx(expected, abs=60)


@pytest.mark.parametrize(
    "value",
    ["Wednesday, 21-Oct-15 07:28:00 GMT", "Sun Nov  6 08:49:37 1994", "Wed, 21 Oct 2015 07:28:00 GMT"],
)
def test_a_date_in_the_past_asks_for_no_wait(value: str) -> None:
    assert waits(value) == 0


def test_a_date_is_counted_from_now() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert waits(soon) == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    "value",
    [
        f"{DATE} +99999999999999",
        f"{DATE} -99999999999999",
        "Wed, 3333333332 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 99999 07:28:00 GMT",
        "Wed, 21 Oct 0000 07:28:00 GMT",
        "Wed, 21 Oct 2099 07:28:99999999999 GMT",
        "9" * 400,
        "-1",
        "1.5",
        "1e9",
        "٣",
        "²",
        "soon",
        "",
        "nan",
    ],
)
def test_a_value_that_is_neither_is_ignored(value: str) -> None:
    assert waits(value) == 0


@given(st.text(max_size=60) | st.from_regex(r"\AWed, \d+ Oct \d+ \d+:\d+:\d+ [A-Z+-]?\d*\Z", fullmatch=True))
@example(f"{DATE} +99999999999999")
def test_no_value_raises_or_asks_for_a_wait_that_is_no_number(value: str) -> None:
    seconds = waits(value)
    assert seconds >= 0
    assert math.isfinite(seconds)
