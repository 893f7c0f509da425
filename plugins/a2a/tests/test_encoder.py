"""A run's events as the updates of a task, by the official models."""

import json
from typing import Any

from a2a.types import a2a_pb2 as a2a
from google.protobuf.json_format import ParseDict
from hypothesis import example, given
from hypothesis import strategies as st

from agent.runs.run import Cancelled, Finished, Paused, Usage
from graph.approvals.record import ApprovalKind
from graph.error_codes import GraphCode
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from plugins.a2a.encoder import TaskEncoder
from plugins.a2a.task import TaskId
from tests.agent.api.ag_ui.test_encoder import FINISHED, STARTED, content, response
from tests.agent.api.test_approval_required import pending

TASK = TaskId("context-1", "0" * 32)


def encoder(**options: Any) -> TaskEncoder:
    return TaskEncoder(TASK, clock=lambda: 1_800_000_000.0, new_id=lambda: "new", **options)


def encoded(*events: Any, **options: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The updates of a run, each one of the official models, and the task that they leave."""
    encoding = encoder(**options)
    updates = [update for event in events for update in encoding.event(event)]
    for update in [*updates, {"task": encoding.task()}]:
        ParseDict(update, a2a.StreamResponse())  # refuses unknown members and wrong types
    return updates, encoding.task()


def joined(updates: list[dict[str, Any]]) -> dict[str, str]:
    """The texts of the artifacts, as a client joins their pieces."""
    texts: dict[str, str] = {}
    for update in updates:
        if found := update.get("artifactUpdate"):
            name = found["artifact"]["artifactId"]
            assert found.get("append", False) is (name in texts)
            texts[name] = texts.get(name, "") + found["artifact"]["parts"][0]["text"]
    return texts


def texts_of(task: dict[str, Any]) -> dict[str, str]:
    return {each["artifactId"]: each["parts"][0]["text"] for each in task.get("artifacts", [])}


def test_each_response_of_the_model_is_an_artifact() -> None:
    updates, task = encoded(
        response("m1"), content("I "), content("look."), STARTED, FINISHED, response("m2"), content("Sunny."),
        Finished(usage=Usage(10, 5)),
    )  # fmt: skip

    assert joined(updates) == texts_of(task) == {"m1": "I look.", "m2": "Sunny."}
    last = [
        update["artifactUpdate"].get("lastChunk", False) for update in updates if "artifactUpdate" in update
    ]
    assert last == [False, False, True, False, True]
    assert updates[-1]["statusUpdate"]["status"] == {
        "state": "TASK_STATE_COMPLETED",
        "timestamp": "2027-01-15T08:00:00.000Z",
    }
    assert updates[-1]["statusUpdate"]["metadata"]["idaas-agent"] == {
        "finish_reason": "stop",
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }


def test_calls_are_shown_by_their_rights_without_arguments_and_results() -> None:
    updates, _ = encoded(STARTED, FINISHED)
    about = [update["statusUpdate"]["metadata"]["idaas-agent"] for update in updates]

    assert [each["type"] for each in about] == ["tool_started", "tool_finished"]
    assert about[1]["access_identity"] == "Human"
    assert "杭州" not in json.dumps(updates, ensure_ascii=False)
    assert "sunny" not in json.dumps(updates)


def test_reasoning_and_steps_are_not_sent() -> None:
    updates, _ = encoded(
        {"type": "step_started", "step": "model"},
        {"type": "reasoning", "text": "The user asks"},
        {"type": "step_finished", "step": "model"},
    )
    assert updates == []


def test_text_without_an_announced_response_has_an_id_of_its_own() -> None:
    updates, task = encoded(content("a"), content("b"), Finished())
    assert joined(updates) == texts_of(task) == {"new": "ab"}


def test_task_has_the_responses_before_its_first_event() -> None:
    updates, task = encoded(response("m2"), content("b"), Finished(), earlier={"m1": "a"})
    assert joined(updates) == {"m2": "b"}
    assert texts_of(task) == {"m1": "a", "m2": "b"}


def test_call_that_waits_requires_input() -> None:
    updates, task = encoded(Paused((pending(days=2**63, to="\u202eevil"),)))
    status = updates[-1]["statusUpdate"]["status"]

    assert status == task["status"]
    assert status["state"] == "TASK_STATE_INPUT_REQUIRED"
    text, data = status["message"]["parts"]
    assert "leave_apply" in text["text"]
    assert data["data"]["arguments"]["to"] == "\u202eevil"
    assert [each["text"] for each in data["data"]["display"]] == ["9223372036854775808", '"\\u202eevil"']
    assert "\u202e" not in text["text"]
    assert data["data"]["id"] == status["message"]["messageId"]


def test_consent_and_sign_in_require_authentication() -> None:
    url = "https://provider.example/consent"
    for kind, address in (
        (ApprovalKind.CONSENT_REQUIRED, Secret(url)),
        (ApprovalKind.SIGN_IN_REQUIRED, None),
    ):
        updates, _ = encoded(Paused((pending(kind, address),)))
        status = updates[-1]["statusUpdate"]["status"]
        text, data = status["message"]["parts"]

        assert status["state"] == "TASK_STATE_AUTH_REQUIRED"
        assert data["data"]["kind"] == kind
        assert (url in text["text"], data["data"].get("url")) == (address is not None, address and url)


def test_failed_task_has_the_text_for_the_user_alone() -> None:
    encoding = encoder()
    [update] = encoding.failed(ServiceError(GraphCode.MODEL_CALL_FAILED, "secret detail"))
    ParseDict(update, a2a.StreamResponse())
    status = update["statusUpdate"]["status"]

    assert status["state"] == "TASK_STATE_FAILED"
    assert status["message"]["metadata"]["idaas-agent"]["code"] == "model_call_failed"
    assert "secret detail" not in json.dumps(update)
    assert encoding.task()["status"] == status


def test_run_that_was_cancelled_closes_its_artifact() -> None:
    encoding = encoder()
    updates = [*encoding.event(response("m1")), *encoding.event(content("a")), *encoding.event(Cancelled())]

    assert updates[-2]["artifactUpdate"]["lastChunk"] is True
    assert updates[-1]["statusUpdate"]["status"]["state"] == "TASK_STATE_CANCELED"


@given(
    st.lists(
        st.one_of(
            st.builds(response, st.sampled_from(["m1", "m2", "m3"])),
            st.builds(content, st.text(min_size=1, max_size=5)),
            st.sampled_from([STARTED, FINISHED]),
        ),
        max_size=12,
    )
)
@example([content("a"), STARTED, content("b"), FINISHED, response("m1"), response("m2"), content("c")])
def test_pieces_of_any_run_join_to_the_artifacts_of_the_task(events: list[Any]) -> None:
    updates, task = encoded(*events, Finished())
    assert {name: text for name, text in joined(updates).items() if text} == texts_of(task)
