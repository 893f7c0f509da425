"""Log lines for people are one readable line each, which no text of others can imitate."""

import logging
import re

import pytest

from agent.operations.log_lines import TextLines
from identity.observation.request_context import REQUEST_ID, USER


def shown(message: str, *, ascii_only: bool = False, **fields: object) -> str:
    record = logging.LogRecord("idaas_agent.any", logging.INFO, "", 0, message, None, None)
    record.fields = fields
    return TextLines(ascii_only=ascii_only).format(record)


def test_line_has_time_level_logger_message_and_fields() -> None:
    line = shown("request", method="GET", status=200, ok=True, path="/a b", none=None)
    pattern = (
        r"\d\d:\d\d:\d\d INFO     idaas_agent\.any: request  "
        r'method=GET  status=200  ok=true  path="/a b"  none=null'
    )
    assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize(
    "code", [0x00, 0x0A, 0x0D, 0x1B, 0x7F, 0x9B, 0x2028, 0x202E, 0x200B, 0xD800], ids=hex
)
def test_control_character_reaches_neither_message_nor_field_raw(code: int) -> None:
    line = shown(f"a{chr(code)}b", field=f"c{chr(code)}d", name=[chr(code)])
    assert code not in map(ord, line)
    assert line.count(f"\\u{code:04x}") + 3 * (code in (0x0A, 0x0D)) == 3


def test_quote_in_a_value_cannot_begin_another_field() -> None:
    assert shown("request", path='/x" status=200').endswith('path="/x\\" status=200"')


def test_lines_of_a_traceback_are_indented() -> None:
    error = ValueError("first\n12:00:00 INFO     forged\x1b[2J")
    record = logging.LogRecord("any", logging.ERROR, "", 0, "failed", None, (ValueError, error, None))
    first, *others = TextLines().format(record).split("\n")
    assert first.endswith("any: failed")
    assert others
    assert all(line.startswith("    ") and line.isprintable() for line in others)


def test_credential_is_masked() -> None:
    assert "abc.def" not in shown("Authorization: Bearer abc.def-1")
    assert "0123456789" not in shown("x", key="sk-0123456789abcdef")


def test_line_for_a_stream_that_is_not_utf_8_is_ascii() -> None:
    assert shown("天气", city="杭州", ascii_only=True).isascii()


def test_line_names_the_request_and_its_user() -> None:
    outer_id, outer_user = REQUEST_ID.set("1f2e"), USER.set("3c4d")
    line = shown("anything")
    REQUEST_ID.reset(outer_id)
    USER.reset(outer_user)
    assert line.endswith("request_id=1f2e  user=3c4d")
