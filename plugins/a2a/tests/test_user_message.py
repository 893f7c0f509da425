"""A user's message: text, or one decision."""

import base64
from functools import partial
from typing import Any

import pytest

from plugins.a2a.a2a_error import A2ACode, A2AError
from plugins.a2a.parameters import Message, SendConfiguration, read_params
from plugins.a2a.user_message import check_configuration, context_of, decision, question
from tests.agent.api.test_attachments import PNG


def message(*parts: Any, **members: Any) -> Message:
    return read_params(Message, {"messageId": "m-1", "role": "ROLE_USER", "parts": list(parts), **members})


def refused(*parts: Any, of: Any = question) -> tuple[A2ACode, str]:
    with pytest.raises(A2AError) as error:
        of(message(*parts))
    return error.value.code, error.value.message


def test_text_parts_are_lines_of_one_message() -> None:
    asked = question(message({"text": "one"}, {"text": "two", "mediaType": "text/markdown"}))
    assert (asked.text, asked.id) == ("one\ntwo", "a2a-m-1")


@pytest.mark.parametrize(
    "part",
    [
        {"raw": "aGVsbG8="},
        {"url": "https://files.example/a.png"},
        {"data": {"a": 1}},
        {"text": "<svg/>", "mediaType": "image/svg+xml"},
    ],
)
def test_other_contents_are_not_supported(part: Any) -> None:
    for parts in ([{"text": "look"}, part], [part]):
        assert refused(*parts)[0] is A2ACode.CONTENT_TYPE_NOT_SUPPORTED
        assert refused(*parts, of=partial(question, most_images=3))[0] is A2ACode.CONTENT_TYPE_NOT_SUPPORTED


def test_supported_image_without_a_text_is_no_message() -> None:
    image = {"raw": base64.b64encode(PNG).decode()}
    assert refused(image, of=partial(question, most_images=1))[0] is A2ACode.INVALID_PARAMS


@pytest.mark.parametrize("part", [{}, {"text": "a", "data": {}}, {"mediaType": "text/plain"}])
def test_part_has_one_content(part: Any) -> None:
    assert refused(part) == (
        A2ACode.INVALID_PARAMS,
        f"message.parts[0]: expected one of text, raw, url, data, found {2 * ('data' in part)}",
    )


def test_text_is_no_decision() -> None:
    for text in ("yes", '{"approval": "a", "decision": "approve"}'):
        assert decision(message({"text": text})) is None


def test_decision_is_the_only_part_and_data() -> None:
    given = {"data": {"approval": "a" * 32, "decision": "approve"}}
    assert refused({"text": "yes"}, given, of=decision)[0] is A2ACode.INVALID_PARAMS
    assert refused(given, given, of=decision)[0] is A2ACode.INVALID_PARAMS
    for unsupported in ([{"url": "https://a.example"}], [{"text": "yes"}, {"raw": "aGVsbG8="}]):
        assert refused(*unsupported, of=decision)[0] is A2ACode.CONTENT_TYPE_NOT_SUPPORTED
    found = decision(message(given))
    assert found is not None
    assert found.answer() == {"approved": True, "arguments": None, "lasting": None}


def test_whole_numbers_of_data_are_integers() -> None:
    given = {
        "approval": "a" * 32,
        "decision": "edit",
        "arguments": {"days": 3.0, "half": 0.5, "rest": [{"n": 2.0}], "large": 1e300},
    }
    found = decision(message({"data": given}))
    assert found is not None
    assert repr(found.arguments) == "{'days': 3, 'half': 0.5, 'rest': [{'n': 2}], 'large': 1e+300}"


def test_fault_of_a_decision_names_its_member() -> None:
    given = {"data": {"approval": "a" * 32, "decision": "yes"}}
    assert refused(given, of=decision)[1].startswith("message.parts[0].data.decision: expected")


def test_context_is_the_clients_or_a_new_one() -> None:
    assert context_of(message({"text": "a"}, contextId="c-1")) == "c-1"
    assert len(context_of(message({"text": "a"}))) == 32
    assert context_of(message({"text": "a"}, contextId="")) != ""
    with pytest.raises(A2AError):
        context_of(message({"text": "a"}, contextId="c" * 65))


@pytest.mark.parametrize("modes", [[], ["text/plain"], ["image/png", "text"], ["*/*"], ["Text/Plain; q=1"]])
def test_client_that_reads_text_is_served(modes: list[str]) -> None:
    check_configuration(SendConfiguration(accepted_output_modes=modes))
