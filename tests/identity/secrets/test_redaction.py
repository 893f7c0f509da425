"""A credential in a response is redacted, however the response is split into pieces."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.secrets.redaction import StreamRedactor, redact
from identity.secrets.secret import REDACTED, Secret

pytestmark = pytest.mark.promise("no-secret-leaves")

VALUE = 'sk-ss"+/k\\=é'
texts = st.lists(st.sampled_from([VALUE, VALUE[:4], VALUE[1:], "s", "sk", " ", "plain"]), max_size=8).map(
    "".join
)


@pytest.mark.parametrize("form", [VALUE, json.dumps(VALUE), quote(VALUE, safe="")])
def test_credential_is_redacted_in_clear_and_in_json_and_url_encoding(form):
    assert VALUE[3:] not in redact(f"<{form}>", [Secret(VALUE)])
    assert REDACTED in redact(f"<{form}>", [Secret(VALUE)])


def test_values_keys_and_items_of_json_are_redacted_and_others_unchanged():
    given = {"a": [VALUE, 1, None, True, {VALUE: 2.5}]}
    assert redact(given, [Secret(VALUE)]) == {"a": [REDACTED, 1, None, True, {REDACTED: 2.5}]}


def test_empty_credential_changes_nothing():
    assert redact("text", [Secret("")]) == "text"
    assert StreamRedactor(Secret("")).feed("text") == "text"


@given(texts, st.lists(st.integers(1, 6), max_size=40))
def test_redaction_in_pieces_equals_redaction_of_the_whole_text(text, sizes):
    redactor, pieces, rest = StreamRedactor(Secret(VALUE)), [], text
    for size in [*sizes, len(text)]:
        pieces.append(redactor.feed(rest[:size]))
        rest = rest[size:]
    read = "".join([*pieces, redactor.flush()])
    assert read == redact(text, [Secret(VALUE)])
    assert VALUE not in read


def test_only_a_possible_beginning_of_the_credential_is_delayed():
    redactor = StreamRedactor(Secret("key-1"))
    assert [redactor.feed(piece) for piece in ("a key", "s ", "ke", "y-", "1!")] == [
        "a ",
        "keys ",
        "",
        "",
        f"{REDACTED}!",
    ]
    assert redactor.flush() == ""
