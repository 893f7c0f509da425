"""The envelope of JSON-RPC, which A2A and MCP share."""

import json
from typing import Any

import pytest

from agent.api.json_rpc import RpcCode, RpcError, read_json, read_request, request_id_of

CALL: dict[str, Any] = {"jsonrpc": "2.0", "id": "1", "method": "ping", "params": {"a": 1}}


def refusal(code: int, message: str) -> RpcError:
    return RpcError(code, message, log_name="refused")


def code_of(of: Any, *arguments: Any) -> int:
    with pytest.raises(RpcError) as error:
        of(*arguments, refusal)
    return error.value.code


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b'{"a": NaN}', b'"\\ud800"', b"\xff", b"[" * 5000])
def test_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert code_of(read_json, body) is RpcCode.PARSE_ERROR


@pytest.mark.parametrize(
    "value",
    [
        [CALL],
        [],
        "ping",
        None,
        {},
        CALL | {"jsonrpc": "1.0"},
        CALL | {"method": 1},
        CALL | {"id": True},
        CALL | {"id": 1.5},
        CALL | {"id": {}},
        CALL | {"id": "x" * 1_025},
    ],
)
def test_value_that_is_no_request_is_refused(value: Any) -> None:
    assert code_of(read_request, value) is RpcCode.INVALID_REQUEST


@pytest.mark.parametrize("request_id", ["1", 1, 0, None, "x" * 1_024])
def test_request_has_the_id_that_its_response_repeats(request_id: Any) -> None:
    request = read_request(json.loads(json.dumps(CALL | {"id": request_id})), refusal)
    assert (request.id, request.is_notification) == (request_id, False)
    assert refusal(RpcCode.INVALID_PARAMS, "no").response(request.id)["id"] == request_id


def test_request_without_id_is_a_notification_and_without_params_has_none() -> None:
    request = read_request({"jsonrpc": "2.0", "method": "ping"}, refusal)
    assert (request.id, request.is_notification, request.params) == (None, True, {})


@pytest.mark.parametrize("value", [{"id": True}, {"id": [1]}, {"id": "x" * 1_025}, {}, [], 7])
def test_only_ids_that_json_rpc_allows_are_repeated(value: Any) -> None:
    assert request_id_of({"id": "a"}) == "a"
    assert request_id_of(value) is None


def test_error_without_data_has_no_member_of_it() -> None:
    assert refusal(RpcCode.METHOD_NOT_FOUND, "there is none").response(7) == {
        "jsonrpc": "2.0",
        "id": 7,
        "error": {"code": -32601, "message": "there is none"},
    }
