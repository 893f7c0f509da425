"""The archive of a person can be written whatever the person has sent."""

import json

from plugins.person.archive import _json


def test_half_of_a_surrogate_pair_is_an_escape_and_other_texts_are_as_written() -> None:
    assert _json({"text": "你好"}) == '{"text": "你好"}'
    torn = _json({"text": "a\ud800"})
    assert torn.encode()
    assert json.loads(torn) == {"text": "a\ud800"}
