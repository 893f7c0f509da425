"""The language of titles, by `Accept-Language`."""

import pytest

from agent.http.language import language_of


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("*", "en"),
        ("zh", "zh"),
        ("ZH-Hans-CN", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB, zh", "en"),
        ("zh, en-GB", "zh"),
        ("en;q=0.2, zh;q=0.3", "zh"),
        ("de, fr;q=0.9, zh;q=0.1", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=2, en;q=0.1", "en"),
        ("zh;q=nan, en;q=0.1", "en"),
        ("zh;q=much", "en"),
        ("zhx", "en"),
        ("x" * 500 + ",zh", "en"),
    ],
)
def test_preferred_of_two_languages(header: str | None, language: str) -> None:
    headers = [] if header is None else [(b"accept-language", header.encode())]
    assert language_of({"type": "http", "headers": headers}) == language
