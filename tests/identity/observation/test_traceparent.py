"""`traceparent` by W3C Trace Context, level 1."""

import pytest

from identity.observation.traceparent import TraceContext, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


def test_context_of_the_specification_is_read() -> None:
    context = parse_traceparent(GOOD)
    assert context == TraceContext(int(TRACE, 16), int(SPAN, 16), sampled=True)
    assert context.traceparent == GOOD


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)])
def test_only_the_flag_of_sampling_is_read(flags: str, sampled: bool) -> None:
    context = parse_traceparent(GOOD[:-2] + flags)
    assert context is not None
    assert context.sampled is sampled
    assert context.traceparent[-2:] == f"0{int(sampled)}"


def test_later_version_may_have_more_members() -> None:
    assert parse_traceparent(f"cc-{TRACE}-{SPAN}-01-more") == parse_traceparent(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD.upper(),
        GOOD + " ",
        GOOD + "\n",
        GOOD + "-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}",
        f"0g-{TRACE}-{SPAN}-01",
    ],
)
def test_other_text_is_no_context(text: str) -> None:
    assert parse_traceparent(text) is None
