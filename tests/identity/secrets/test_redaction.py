"""A credential in a response is redacted, however the response is split into pieces."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.secrets.redaction import Redactor, StreamRedactor, contains_encoded, redact
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


@pytest.mark.parametrize("length", range(1, len(VALUE) + 1))
def test_text_that_was_cut_off_does_not_end_with_a_part_of_the_credential(length):
    assert Redactor([Secret(VALUE)]).redact_cut_off(f"error: {VALUE[:length]}") in (
        "error: ",
        f"error: {REDACTED}",
    )


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_credential_is_noticed_in_base64_at_every_place(before, encode):
    encoded = encode(f'{before}{VALUE}"}}'.encode()).decode()
    assert contains_encoded(f"v1.{encoded}.sig", [Secret(VALUE)])


def test_credential_is_noticed_in_clear_and_another_text_is_not_taken_for_it():
    secrets = [Secret(""), Secret(VALUE)]
    assert contains_encoded(f"state {quote(VALUE, safe='')}", secrets)
    assert not contains_encoded(base64.b64encode(b"state of another call").decode(), secrets)
