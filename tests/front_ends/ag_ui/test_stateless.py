"""The official AG-UI clients, of both generations, against an agent that keeps no conversations."""

import json

from sandbox.faults.faults import Fault
from tests.front_ends.ag_ui.conftest import Drive, message, roles, text_of

WEATHER = "What is the weather in Hangzhou right now?"
ENTERPRISE = "Call my enterprise service"


async def test_plain_chat_ends_in_one_message(drive: Drive) -> None:
    for [result] in await drive({"messages": [message("Hello!")]}):
        assert roles(result) == ["user", "assistant"]
        assert result["messages"][1]["content"] == text_of(result["events"])
        assert result["events"][0]["protocolVersion"] == "1.0"
        finished = result["events"][-1]
        assert finished["outcome"] == {"type": "success"}
        assert finished["usage"][0]["model"] == "qwen-plus"
        assert finished["usage"][0]["totalTokens"] > 0
        assert result["state"] == {"thread_id": result["events"][0]["threadId"], "status": "idle"}


async def test_tool_call_and_its_result_belong_to_the_message_of_the_model_and_the_conversation_continues(
    drive: Drive,
) -> None:
    for result, second in await drive(
        {"messages": [message(WEATHER)]}, {"messages": [message("Hello!", "u2")]}
    ):
        assert roles(result) == ["user", "assistant", "tool", "assistant"]
        _, asked, returned, answer = result["messages"]
        [call] = asked["toolCalls"]
        assert call["function"]["name"] == "maps_weather"
        assert json.loads(call["function"]["arguments"])
        assert call["metadata"]["idaas-agent"] == {
            "service": "amap",
            "access_identity": "Human",
            "credential": "amap_api_key",
            "credential_kind": "api_key",
        }
        assert returned["toolCallId"] == call["id"]
        outcome = returned["metadata"]["idaas-agent"]
        assert (outcome["ok"], outcome["called"], outcome["service"]) == (True, True, "amap")
        assert "Hangzhou" in answer["content"]
        steps = [event["stepName"] for event in result["events"] if event["type"] == "STEP_STARTED"]
        assert steps[0] == "authenticate"
        assert [step for step in steps if step in ("model", "amap")] == ["model", "amap", "model"]

        assert roles(second) == [*roles(result), "user", "assistant"]
        ids = [each["id"] for each in second["messages"]]
        assert len(set(ids)) == len(ids)


async def test_refusal_before_the_run_is_a_status_with_the_error_body(drive: Drive) -> None:
    for [result] in await drive({"messages": [message("Hello!")]}, token="not-a-token"):
        thrown = result["thrown"]
        assert thrown["status"] == 401
        assert thrown["payload"]["error"]["code"] == "access_token_invalid"
        assert not [event for event in result["events"] if event["type"] != "RUN_ERROR"]


async def test_failure_before_the_first_words_is_a_status(drive: Drive) -> None:
    drive.sandbox.cloud.faults.set("model_studio", Fault(status=500))
    for [result] in await drive({"messages": [message("Hello!")]}):
        assert result["thrown"]["status"] == 502
        assert result["thrown"]["payload"]["error"]["code"] == "model_call_failed"


async def test_what_only_the_client_has_is_ignored(drive: Drive) -> None:
    tool = {"name": "confirm", "description": "asks", "parameters": {"type": "object"}}
    instruction = {"id": "s", "role": "system", "content": "Speak like a pirate"}
    for [result] in await drive(
        {
            "messages": [instruction, message("Hello!")],
            "tools": [tool],
            "context": [{"description": "page", "value": "/home"}],
        }
    ):
        assert roles(result) == ["system", "user", "assistant"]
        assert result["events"][-1]["outcome"] == {"type": "success"}
