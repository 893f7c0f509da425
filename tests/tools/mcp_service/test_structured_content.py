"""The structured content of a server's result, for a tool that lists what it returns."""

import json
from typing import Any

import pytest

from identity.secrets.secret import Secret
from tools.mcp_service.tool import result_of
from tools.result_schema import ResultSchema

KEY = Secret("sk-1234567890")
STOCK = ResultSchema({"type": "object", "properties": {"left": {"type": "integer"}}, "required": ["left"]})


def response(text: str, value: Any, **more: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": text}]
    return {"result": {"content": content, "structuredContent": value, **more}}


def test_text_with_the_same_content_is_read_once() -> None:
    assert result_of(response('{"left": 3}', {"left": 3}), [], STOCK).text == '{"left": 3}'


def test_model_reads_content_that_the_text_does_not_have() -> None:
    assert result_of(response("Some.", {"left": 3}), [], STOCK).text == 'Some.\n{"left":3}'


@pytest.mark.parametrize("schema", [None, STOCK])
def test_text_stays_alone_without_a_schema_that_fits_and_for_an_error(schema: Any) -> None:
    assert result_of(response("Some.", {"left": 3}), []).text == "Some."
    assert result_of(response("Some.", {"left": "3"}), [], schema).text == "Some."
    assert result_of(response("None.", {"left": 3}, isError=True), [], schema).text == "None."


@pytest.mark.promise("no-secret-leaves")
def test_credential_in_structured_content_is_redacted() -> None:
    value = {"left": 3, "seen": KEY.reveal(), KEY.reveal(): {"in": [KEY.reveal()]}}
    text = result_of(response("Some.", value), [KEY], STOCK).text
    assert KEY.reveal() not in text
    found = STOCK.value_in(text)
    assert found is not None
    assert found["left"] == 3
    assert KEY.reveal() not in json.dumps(found)


def test_value_is_found_beside_a_file() -> None:
    of_server = response('{\n "left": 3\n}', {"left": 3})
    image = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
    of_server["result"]["content"].append(image)
    result = result_of(of_server, [], STOCK)
    assert len(result.files) == 1
    assert STOCK.value_in(f"{result.text}\n[file]") == {"left": 3}
