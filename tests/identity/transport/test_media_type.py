"""RFC 9110, section 8.3.1: `type/subtype`, any case, optional whitespace, optional parameters."""

import pytest

from identity.transport.body import media_type


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("text/html;charset=utf-8", "text/html"),
        ("text/html \t;\tcharset=utf-8; q=1", "text/html"),
        (" application/problem+json ", "application/problem+json"),
        ("text/event-stream;", "text/event-stream"),
    ],
)
def test_type_and_subtype_are_read_without_case_whitespace_and_parameters(content_type, expected):
    assert media_type(content_type) == expected


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "json",
        "/json",
        "application/",
        "text /html",
        "text/html charset=utf-8",
        "text/html, application/json",
        "\xa0text/html",
        "text/html\x0b",
        "text/html/x",
    ],
)
def test_missing_or_malformed_type_is_empty(content_type):
    assert media_type(content_type) == ""
