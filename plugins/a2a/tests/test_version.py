"""A2A 0.3: the official client's older transport, and the older models, are the referee."""

import json
from typing import Any

import pytest
from a2a.compat.v0_3 import types as older
from a2a.utils.errors import TaskNotFoundError, UnsupportedOperationError

from agent.api.json_rpc import RpcRequest
from agent.runs.run import Cancelled
from plugins.a2a.a2a_error import A2ACode, A2AError
from plugins.a2a.routes import AGENT_CARD_PATH
from plugins.a2a.tests.official_client import official_client
from plugins.a2a.tests.task_updates import approval_of, states, task_id_of, text_of, texts_of
from plugins.a2a.tests.test_encoder import FINISHED, STARTED, content, encoder, response
from plugins.a2a.version import is_v03, newer_request, to_v03
from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import ThreadsOf
from tests.graph.scripted_model import DONE

MESSAGE = {
    "kind": "message",
    "messageId": "m-1",
    "role": "user",
    "parts": [{"kind": "text", "text": "hello"}],
}


async def test_older_client_asks_approves_reads_and_cancels(threads: ThreadsOf) -> None:
    served = await threads([APPLY, DONE, APPLY], ACCESS_IDENTITY="Human")
    token = served.headers()["Authorization"].removeprefix("Bearer ")
    async with official_client(served.origin, token, version="0.3") as alice:
        asked = await alice.send("Apply for leave", contextId="context-1")
        task_id = task_id_of(asked)
        assert states(asked) == ["WORKING", "INPUT_REQUIRED"]
        with pytest.raises(UnsupportedOperationError):
            await alice.send("yes", taskId=task_id, message_id="m-2")
        approved = await alice.send(
            {"approval": approval_of(asked[-1])["id"], "decision": "approve"}, taskId=task_id
        )
        assert states(approved)[-1] == "COMPLETED"
        assert text_of(approved).strip() == "done"
        assert texts_of(await alice.get(task_id)) == ["I apply.", "done"]
        other = task_id_of(await alice.send("Apply for leave", contextId="context-2", message_id="m-3"))
        assert (await alice.cancel(other))["status"]["state"] == "TASK_STATE_CANCELED"
        with pytest.raises(TaskNotFoundError):
            await alice.get("context-1." + "0" * 32)
    async with official_client(served.origin, token, version="0.3", streaming=False) as alice:
        [sent] = await alice.send("Apply for leave", contextId="context-3")
        assert sent["task"]["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"


async def test_client_that_does_not_wait_has_the_task_at_once(threads: ThreadsOf) -> None:
    served = await threads([DONE], waits=True)
    params = {"message": MESSAGE, "configuration": {"blocking": False}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": params}
    sent = older.SendMessageSuccessResponse.model_validate(
        (await served.ask("POST", "/a2a", body=body)).json()
    )

    assert isinstance(sent.result, older.Task)
    assert sent.result.status.state is older.TaskState.working
    assert sent.result.history is not None
    assert sent.result.history[0].role is older.Role.user


async def test_card_is_one_of_the_older_models_too(threads: ThreadsOf) -> None:
    served = await threads()
    card = older.AgentCard.model_validate((await served.http.get(served.origin + AGENT_CARD_PATH)).json())

    assert (card.url, card.preferred_transport, card.protocol_version) == (
        f"{served.origin}/a2a",
        "JSONRPC",
        "0.3.0",
    )
    assert card.security is not None
    assert card.security_schemes is not None
    [(name, scopes)] = card.security[0].items()
    assert isinstance(card.security_schemes[name].root, older.OpenIdConnectSecurityScheme)
    assert scopes


def test_every_update_is_one_of_the_older_models() -> None:
    encoding = encoder()
    updates = [{"task": encoding.task()}]
    for event in (response("m1"), content("a"), STARTED, FINISHED, content("b"), Cancelled()):
        updates += encoding.event(event)
    kinds = []
    for update in updates:
        given = {"id": 1, "result": to_v03(update)}
        kinds.append(older.SendStreamingMessageSuccessResponse.model_validate(given).result.kind)
    assert kinds[:2] == ["task", "artifact-update"]
    assert [update["final"] for update in map(to_v03, updates[1:]) if "final" in update] == [
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"kind": "text", "text": "a", "metadata": {}}, {"text": "a"}),
        ({"kind": "data", "data": {"a": 1}}, {"data": {"a": 1}}),
        ({"kind": "file", "file": {"uri": "https://a.example"}}, {"url": "https://a.example"}),
        ({"kind": "file", "file": {"bytes": "YQ=="}}, {"raw": "YQ=="}),
        ({"kind": "other"}, {}),
        ({"text": "a"}, {}),
        ("a", "a"),
    ],
)
def test_parts_of_0_3_are_those_of_1_0(part: Any, expected: Any) -> None:
    request = newer_request(RpcRequest("message/send", {"message": MESSAGE | {"parts": [part]}}, 1))
    assert request.method == "SendMessage"
    assert request.params["message"]["parts"] == [expected]
    assert request.params["message"]["role"] == "ROLE_USER"


@pytest.mark.parametrize("params", [None, [], {"message": None}, {"message": {"parts": 1}}, {"message": [1]}])
def test_parameters_of_another_form_are_left_to_be_refused(params: Any) -> None:
    before = json.dumps(params)
    newer_request(RpcRequest("message/send", params, 1))
    assert json.dumps(params) == before


@pytest.mark.parametrize(
    ("header", "older"),
    [
        *((header, False) for header in ("1.0", "1.0.1", " 1.7 ")),
        *((header, True) for header in (None, "", "0.3", "0.3.0")),
    ],
)
def test_client_that_names_no_version_has_0_3(header: str | None, older: bool) -> None:
    assert is_v03(header) is older


@pytest.mark.parametrize("header", ["0.2", "0.30", "2.0", "1", "1.x", "one", "1.0, 0.3"])
def test_other_versions_are_refused(header: str) -> None:
    with pytest.raises(A2AError) as error:
        is_v03(header)
    assert error.value.code is A2ACode.VERSION_NOT_SUPPORTED
