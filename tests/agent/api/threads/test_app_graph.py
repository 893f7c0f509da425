"""`GRAPH` names a graph made with the library: its runs are the server's, on every surface."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from agent.api.langgraph.server_agent import server_agent
from agent.composition.agent import Agent
from agent.settings.settings import read_settings
from identity.access_token.revocation import Origin, Revocation, Target
from identity.errors import ConfigurationError
from tests.agent.api.test_notices import TEXT, telling
from tests.agent.api.threads import app_graphs
from tests.agent.api.threads.app_graphs import CREATE_AGENT, STATE_GRAPH
from tests.agent.api.threads.approval_surfaces import OF_THE_CORE, ApprovalSurface
from tests.agent.api.threads.served_threads import CHAT, AppOf, Threads, ThreadsOf
from tests.agent.api.threads.test_approval_answers import answer, asked, ended
from tests.every_surface import of_plugins
from tests.graph.scripted_model import DONE, calls
from tests.leave_application import APPLIES, LATER_DAY, LEAVE
from tests.security.secrecy.canaries import leaks, secrets_of

GRAPHS = [CREATE_AGENT, STATE_GRAPH]
APPLY = APPLIES.model_copy(update={"content": "I apply."})
BALANCE = calls(("leave_balance", {}))
BALANCE_AND_APPLY = calls(("leave_balance", {}), ("leave_apply", LEAVE))
SURFACES = [*OF_THE_CORE, *of_plugins("DECISIONS")]


def stored_in(folder: Path) -> str:
    """All that the database has written."""
    files = [file for file in folder.iterdir() if file.name.startswith("conversations")]
    return b"".join(file.read_bytes() for file in files).decode("latin-1")


def events_of(text: str) -> list[dict[str, Any]]:
    """The objects of server-sent events."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("graph", GRAPHS)
async def test_graph_answers_in_pieces_and_its_calls_are_events(app: AppOf, graph: str) -> None:
    served = await app(graph, [BALANCE, AIMessage("You have some days.")])
    served.sandbox.cloud.counters.reset()
    response = await served.say("How much leave?", stream=True)
    chunks = events_of(response.text)
    pieces = [choice["delta"].get("content") for chunk in chunks for choice in chunk.get("choices", ())]
    tools = [chunk["agent_event"] for chunk in chunks if "agent_event" in chunk]
    assert [piece for piece in pieces if piece] == ["You ", "have ", "some ", "days. "]
    assert [(event["type"], event["tool"]) for event in tools] == [
        ("tool_started", "leave_balance"),
        ("tool_finished", "leave_balance"),
    ]
    assert (tools[1]["ok"], tools[1]["service"], tools[1]["access_identity"]) == (True, "leave", "Human")
    thread = (await served.ask("GET", "/threads/thread-1")).json()
    assert [message["role"] for message in thread["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert thread["status"] == "idle"
    counted = served.sandbox.cloud.counters.snapshot()
    assert [count for name, count in counted.items() if "exchange" in name] == [1]


@pytest.mark.parametrize("form", ["json_object", "json_schema"])
async def test_form_of_the_answer_is_refused_which_the_graph_would_not_know(app: AppOf, form: str) -> None:
    served = await app(CREATE_AGENT, [AIMessage("Some.")])
    schema = {"json_schema": {"name": "days", "schema": {"type": "object"}}} if form == "json_schema" else {}
    wanted = {"response_format": {"type": form, **schema}}
    refused = await served.say("How much leave?", **wanted)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"], error["code"]) == (
        400,
        "response_format",
        "unsupported_value",
    )
    assert (await served.say("How much leave?", response_format={"type": "text"})).status_code == 200


async def test_form_of_the_answer_is_refused_by_the_responses_api_too(app: AppOf) -> None:
    served = await app(CREATE_AGENT, [AIMessage("Some.")])
    body = {"input": "How much leave?", "text": {"format": {"type": "json_object"}}}
    refused = await served.ask("POST", "/openai/v1/responses", body=body)
    error = refused.json()["error"]
    assert (refused.status_code, error["param"], error["code"]) == (400, "text.format", "unsupported_value")


@pytest.mark.parametrize("graph", GRAPHS)
async def test_graph_gets_the_conversation_of_the_server_as_its_messages(app: AppOf, graph: str) -> None:
    served = await app(graph, [BALANCE, AIMessage("Some."), AIMessage("As I said.")])
    await served.say("How much leave?")
    await served.say("Really?")
    kinds = [message.type for message in app_graphs.MODEL.asked[-1]]
    assert kinds == ["human", "ai", "tool", "ai", "human"]
    thread = (await served.ask("GET", "/threads/thread-1")).json()
    assert thread["messages"][-1]["content"] == "As I said."


@pytest.mark.parametrize("graph", GRAPHS)
async def test_run_without_a_conversation_answers_and_refuses_what_asks(app: AppOf, graph: str) -> None:
    served = await app(graph, [BALANCE, APPLY, DONE])
    body = {"messages": [{"role": "user", "content": "Apply"}]}
    response = await served.ask("POST", CHAT, body=body)
    assert response.json()["choices"][0]["message"]["content"] == "done"
    results = [message for message in app_graphs.MODEL.asked[-1] if message.type == "tool"]
    assert [message.status for message in results] == ["success", "error"]
    assert "this conversation is not kept" in results[1].text


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("surface", SURFACES, ids=lambda each: each.name)
async def test_question_of_the_graph_is_decided_on_every_surface(
    app: AppOf, graph: str, surface: ApprovalSurface
) -> None:
    served = await app(graph, [APPLY, DONE])
    approval = await asked(served)
    assert (approval["tool"], approval["arguments"]["days"], approval["scope"]) == (
        "leave_apply",
        LEAVE["days"],
        "leave.write",
    )
    decide = await surface.of(served, approval)
    assert (await decide("approve").sent(served)).status_code in (200, 202)
    thread = await ended(served)
    assert thread["status"] == "idle"
    [result] = [each for each in thread["messages"] if each["role"] == "tool"]
    assert "applied" in str(result)
    assert thread["messages"][-1]["content"].strip() == "done"


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("surface", SURFACES, ids=lambda each: each.name)
async def test_edit_counts_if_it_fits_the_tool_and_else_leaves_the_approval_open(
    app: AppOf, surface: ApprovalSurface
) -> None:
    served = await app(CREATE_AGENT, [APPLY, DONE])
    approval = await asked(served)
    decide = await surface.of(served, approval)
    refused = await decide("edit", LEAVE | {"days": 0}).sent(served)
    assert surface.refused_edit(refused) == ("approval_invalid", "arguments.days")
    edited = await decide("edit", {"days": 1, "first_day": LATER_DAY}).sent(served)
    assert edited.status_code in (200, 202)
    [result] = [each for each in (await ended(served))["messages"] if each["role"] == "tool"]
    assert json.loads(result["content"])["days"] == 1


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("graph", GRAPHS)
async def test_call_that_its_user_declines_is_not_made(app: AppOf, graph: str) -> None:
    served = await app(graph, [APPLY, DONE])
    approval = await asked(served)
    assert (await answer(served, approval, "reject")).status_code == 202
    [result] = [each for each in (await ended(served))["messages"] if each["role"] == "tool"]
    assert "declined" in result["content"]


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("graph", GRAPHS)
async def test_answers_of_another_user_or_after_its_time_or_twice_do_not_count(
    app: AppOf, graph: str
) -> None:
    served = await app(graph, [APPLY, DONE])
    approval = await asked(served)
    path = f"/threads/thread-1/approvals/{approval['id']}"
    foreign = await served.ask("POST", path, "bob", body={"decision": "approve"})
    assert foreign.status_code == 404
    answers = await asyncio.gather(*(answer(served, approval) for _ in range(4)))
    await ended(served)
    answers.append(await answer(served, approval))
    codes = Counter(each.json().get("error", {}).get("code") for each in answers)
    assert codes == {None: 1, "approval_used": 4}
    served.sandbox.clock.advance(60)
    app_graphs.MODEL.turns = [APPLY, DONE]
    await served.say("Again", "thread-2")
    [late] = (await served.ask("GET", "/threads/thread-2")).json()["approvals"]
    served.sandbox.clock.advance(601)
    served.tokens.clear()
    path = f"/threads/thread-2/approvals/{late['id']}"
    expired = await served.ask("POST", path, body={"decision": "approve"})
    assert (expired.status_code, expired.json()["error"]["code"]) == (409, "approval_expired")


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("graph", GRAPHS)
async def test_calls_of_one_step_are_asked_about_one_after_another_and_made_once(
    app: AppOf, graph: str
) -> None:
    later = LEAVE | {"first_day": LATER_DAY}
    served = await app(graph, [calls(("leave_apply", LEAVE), ("leave_apply", later)), DONE])
    first = await asked(served)
    await answer(served, first)
    [second] = (await ended(served))["approvals"]
    assert second["id"] != first["id"]
    await answer(served, second)
    results = [each for each in (await ended(served))["messages"] if each["role"] == "tool"]
    assert len(results) == 2
    assert all("applied" in result["content"] for result in results)


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("graph", [*GRAPHS, "tests.agent.api.threads.app_graphs:delta_graph"])
async def test_answer_counts_at_another_process(app: AppOf, graph: str) -> None:
    served = await app(graph, [APPLY, DONE])
    approval = await asked(served)
    other = await app(graph, [DONE])
    assert (await answer(other, approval)).status_code == 202
    thread = await ended(other)
    assert [message.type for message in app_graphs.MODEL.asked[-1]] == ["human", "ai", "tool"]
    [result] = [each for each in thread["messages"] if each["role"] == "tool"]
    assert "applied" in result["content"]
    assert (await answer(served, approval)).json()["error"]["code"] == "approval_used"


OWN = "tests.agent.api.threads.app_graphs:"
SEND = calls(("send", {"to": "bob"}))


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("decision", ["approve", "reject", "edit"])
async def test_question_of_langchains_middleware_is_an_approval_of_the_server(
    app: AppOf, decision: str
) -> None:
    app_graphs.SENT.clear()
    served = await app(OWN + "human_in_the_loop", [SEND, DONE])
    approval = await asked(served)
    assert (approval["service"], approval["tool"], approval["arguments"]) == ("app", "send", {"to": "bob"})
    edited = {"arguments": {"to": "carol"}} if decision == "edit" else {}
    other = await app(OWN + "human_in_the_loop", [DONE])
    assert (await answer(other, approval, decision, **edited)).status_code == 202
    thread = await ended(other)
    assert thread["status"] == "idle"
    assert {"approve": ["bob"], "reject": [], "edit": ["carol"]}[decision] == app_graphs.SENT
    assert (await answer(other, approval)).json()["error"]["code"] == "approval_used"


@pytest.mark.promise("approval-binds")
async def test_calls_of_one_request_of_langchains_middleware_are_decided_together(app: AppOf) -> None:
    app_graphs.SENT.clear()
    served = await app(
        OWN + "human_in_the_loop", [calls(("send", {"to": "bob"}), ("send", {"to": "carol"})), DONE]
    )
    approval = await asked(served)
    assert approval["tool"] == "send, send"
    assert approval["arguments"] == {"1 send": {"to": "bob"}, "2 send": {"to": "carol"}}
    await answer(served, approval)
    assert (await ended(served))["status"] == "idle"
    assert sorted(app_graphs.SENT) == ["bob", "carol"]


@pytest.mark.promise("approval-binds")
async def test_edit_of_several_calls_of_one_request_is_a_rejection_of_all(app: AppOf) -> None:
    app_graphs.SENT.clear()
    both = calls(("send", {"to": "bob"}), ("send", {"to": "carol"}))
    served = await app(OWN + "human_in_the_loop", [both, DONE])
    approval = await asked(served)
    await answer(served, approval, "edit", arguments=approval["arguments"] | {"1 send": {"to": "eve"}})
    thread = await ended(served)
    assert (thread["status"], app_graphs.SENT) == ("idle", [])
    results = [each for each in thread["messages"] if each["role"] == "tool"]
    assert all("which cannot be changed" in result["content"] for result in results)


async def test_graph_that_fails_or_asks_otherwise_ends_its_run_by_type_and_place(
    app: AppOf, caplog: pytest.LogCaptureFixture
) -> None:
    served = await app(OWN + "asks_otherwise", [DONE])
    for thread, text in (("a", "fail"), ("b", "pause")):
        response = await served.say(text, thread)
        assert response.json()["error"]["code"] == "graph_node_failed"
        assert (await served.ask("GET", f"/threads/{thread}")).json()["status"] == "failed"
    assert "secret-in-a-text" not in caplog.text


@pytest.mark.promise("approval-binds")
async def test_question_of_a_sub_agent_is_answered_at_another_process_and_its_call_made_once(
    app: AppOf,
) -> None:
    research = calls(("research", {"question": "leave"}))
    served = await app(OWN + "with_a_sub_agent", [research, APPLY, AIMessage("Applied."), DONE])
    approval = await asked(served)
    assert approval["tool"] == "leave_apply"
    other = await app(OWN + "with_a_sub_agent", [AIMessage("Applied."), DONE])
    assert (await answer(other, approval)).status_code == 202
    thread = await ended(other)
    assert [message["role"] for message in thread["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert thread["messages"][2]["content"].strip() == "Applied."


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("graph", [*GRAPHS, OWN + "with_a_sub_agent"])
async def test_run_that_waits_keeps_no_token_and_no_credential(
    app: AppOf, graph: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    turns = [calls(("research", {"question": "leave"}))] if "sub_agent" in graph else []
    served = await app(graph, [*turns, BALANCE_AND_APPLY, DONE])
    await waits_without_secrets(served, tmp_path, caplog)


async def waits_without_secrets(served: Threads, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run that waits with an application for leave: what is stored, logged and shown has no secret."""
    canaries = secrets_of(served.sandbox, served.headers()["Authorization"].removeprefix("Bearer "))
    known = len(canaries.by_name)
    served.agent.http.event_hooks = {"response": [canaries.watch]}
    shown = await served.say("Apply", stream=True)
    assert (await served.ask("GET", "/threads/thread-1")).json()["status"] == "paused"
    assert len(canaries.by_name) > known
    kept = stored_in(folder)
    assert "leave_apply" in kept
    assert leaks(canaries, [("the database", kept), ("the log", caplog.text), ("shown", shown.text)]) == []


@pytest.mark.promise("no-secret-leaves")
async def test_what_the_graph_writes_is_shown_and_what_it_removes_stays_in_the_conversation(
    app: AppOf,
) -> None:
    served = await app(OWN + "shows", [DONE])
    body = {
        "threadId": "thread-1",
        "runId": "r",
        "messages": [{"id": "m", "role": "user", "content": "Hello"}],
        "state": {},
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }
    events = events_of((await served.ask("POST", "/ag-ui/agent", body=body)).text)
    [written] = [event for event in events if event["type"] == "CUSTOM"]
    assert (written["name"], written["value"]["topic"]) == ("notes", "leave")
    assert served.tokens["alice"] not in str(events)
    steps = [event["stepName"] for event in events if event["type"] == "STEP_STARTED"]
    assert steps == ["notes"]
    assert [event["delta"] for event in events if event["type"] == "TEXT_MESSAGE_CONTENT"] == ["Noted."]
    thread = (await served.ask("GET", "/threads/thread-1")).json()
    said = [(message["role"], message["content"]) for message in thread["messages"]]
    assert said == [("user", "Hello"), ("assistant", "Noted.")]


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("graph", GRAPHS)
async def test_calls_that_a_model_gives_one_id_have_their_own_in_events_approvals_and_the_conversation(
    app: AppOf, graph: str
) -> None:
    balance, apply = (
        AIMessage("", tool_calls=[{"name": name, "args": given, "id": "call_1"}])
        for name, given in (("leave_balance", {}), ("leave_apply", LEAVE))
    )
    served = await app(graph, [balance, apply, balance, DONE])
    shown = events_of((await served.say("Apply", stream=True)).text)
    [approval] = (await served.ask("GET", "/threads/thread-1")).json()["approvals"]
    await answer(served, approval)
    messages = (await ended(served))["messages"]
    ids = [called["id"] for message in messages for called in message.get("toolCalls", ())]
    assert len({*ids}) == 3
    assert [message["toolCallId"] for message in messages if message["role"] == "tool"] == ids
    assert "applied" in messages[4]["content"]
    events = [chunk["agent_event"] for chunk in shown if "agent_event" in chunk]
    assert {event["call_id"] for event in events if "call_id" in event} == {ids[0]}
    assert approval["call_id"] == ids[1]


async def test_rights_name_the_tools_of_the_graph_with_their_policies(app: AppOf) -> None:
    served = await app(CREATE_AGENT, [DONE])
    leave, own = (await served.ask("GET", "/rights")).json()["services"]
    decisions = {tool["name"]: (tool["effect"], tool["decision"]) for tool in leave["tools"]}
    assert (leave["name"], leave["access_identity"], leave["scope"]) == ("leave", "Human", "leave.write")
    assert (decisions["leave_balance"], decisions["leave_apply"]) == (("read", "allow"), ("write", "ask"))
    assert [(tool["name"], tool["effect"], tool["decision"]) for tool in own["tools"]] == [
        ("today", "read", "allow")
    ]
    assert (own["name"], own["access_identity"]) == ("app", None)


async def test_graph_answers_over_langserve_in_pieces(app: AppOf) -> None:
    served = await app(CREATE_AGENT, [BALANCE, AIMessage("Some days.")])
    body = {"input": {"messages": [["human", "How much leave?"]]}}
    whole = await served.ask("POST", "/agent/invoke", body=body)
    assert whole.json()["output"]["content"].strip() == "Some days."
    app_graphs.MODEL.turns = [BALANCE, AIMessage("Some days.")]
    streamed = await served.ask("POST", "/agent/stream", body=body)
    pieces = [event["content"] for event in events_of(streamed.text) if event.get("content")]
    assert "".join(pieces).strip() == "Some days."
    assert len(pieces) == 2


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("graph", ["alone", "alone_in_a_node"])
async def test_tools_without_middleware_ask_one_after_another_and_are_called_once(
    app: AppOf, graph: str
) -> None:
    later = LEAVE | {"first_day": LATER_DAY}
    response = calls(("leave_apply", LEAVE), ("leave_balance", {}), ("leave_apply", later))
    served = await app(OWN + graph, [response, DONE])
    approval = await asked(served)
    other = await app(OWN + graph, [DONE])
    assert (await answer(other, approval)).status_code == 202
    [second] = (await ended(other))["approvals"]
    assert second["arguments"] != approval["arguments"]
    assert (await answer(served, second, "reject")).status_code == 202
    results = [each for each in (await ended(served))["messages"] if each["role"] == "tool"]
    assert sorted(("applied" in each["content"], "declined" in each["content"]) for each in results) == [
        (False, False),
        (False, True),
        (True, False),
    ]


@pytest.mark.promise("revoked-refused")
async def test_user_who_is_revoked_while_a_call_waits_is_asked_nothing_more(app: AppOf) -> None:
    served = await app(CREATE_AGENT, [APPLY, DONE])
    approval = await asked(served)
    now = served.sandbox.clock()
    revocation = Revocation(Target.USER, "user_alice01", Origin.OPERATOR, until=now, changed_at=now)
    served.agent.identity.revocations.apply(revocation)
    assert (await answer(served, approval)).status_code == 401


async def test_run_makes_no_more_calls_than_the_server_allows(app: AppOf) -> None:
    served = await app(CREATE_AGENT, [calls(*[("leave_balance", {})] * 9), DONE], MAX_TOOL_ROUNDS="1")
    await served.say("How much leave?")
    results = [message for message in app_graphs.MODEL.asked[-1] if message.type == "tool"]
    assert Counter(message.status for message in results) == {"success": 8, "error": 1}
    assert any("at most 8 tools may be called in one run" in message.text for message in results)


async def test_run_that_goes_round_and_round_ends(app: AppOf) -> None:
    served = await app(STATE_GRAPH, [BALANCE], MAX_TOOL_ROUNDS="2")
    response = await served.say("How much leave?")
    assert response.json()["error"]["code"] == "graph_node_failed"
    assert 3 <= len(app_graphs.MODEL.asked) <= 6


async def test_labels_of_what_a_run_has_read_stay_with_the_conversation(app: AppOf) -> None:
    post = calls(("post", {"text": "8000"}))
    served = await app(OWN + "labelled", [calls(("salary", {})), DONE])
    await served.say("How much do I get?")
    other = await app(OWN + "labelled", [post, DONE])
    await other.say("Post it")
    [approval] = (await other.ask("GET", "/threads/thread-1")).json()["approvals"]
    assert approval["tool"] == "post"
    assert approval["read"] == ["app.salary: confidential"]


@pytest.mark.promise("confidential-data-stays")
@pytest.mark.parametrize("role", ["assistant", "system"])
async def test_history_that_a_client_sends_may_have_what_was_read_before(app: AppOf, role: str) -> None:
    served = await app(OWN + "labelled", [calls(("post", {"text": "8000"})), DONE])
    said = [("user", "How much do I get?"), (role, "In short: 8000"), ("user", "Post it")]
    messages = [{"role": speaker, "content": text} for speaker, text in said]
    await served.ask("POST", CHAT, body={"messages": messages})
    [result] = [message for message in app_graphs.MODEL.asked[-1] if message.type == "tool"]
    assert result.status == "error"


@pytest.mark.promise("confidential-data-stays")
async def test_summary_that_a_graph_writes_is_no_word_of_its_user(app: AppOf) -> None:
    turns = [calls(("salary", {})), AIMessage("You get 8000."), calls(("post", {"text": "8000"})), DONE]
    served = await app(OWN + "summing_up", turns)
    await served.say("How much do I get?")
    await served.say("Post it")
    [approval] = (await served.ask("GET", "/threads/thread-1")).json()["approvals"]
    assert approval["read"] == ["app.salary: confidential"]


async def test_langgraph_server_and_aegra_refuse_the_graph_as_they_start(
    app: AppOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = await app(CREATE_AGENT, [DONE])
    for name, value in (served.environment | {"GRAPH": CREATE_AGENT}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        await server_agent()
    [fault] = refused.value.faults
    assert "a langgraph.json of its own, with identity.langgraph_auth()" in fault


@pytest.mark.parametrize(
    ("graph", "variables", "words"),
    [
        ("ungoverned", {}, "its tools send are not governed"),
        ("create_agent", {"LLM_IMAGES": "1"}, "LLM_IMAGES must be 0"),
        ("broken", {}, "it raised ZeroDivisionError at app_graphs.py:"),
        ("no_such_graph", {}, "GRAPH cannot be used"),
    ],
)
async def test_graph_that_cannot_run_stops_the_start_in_words(
    app: AppOf, graph: str, variables: dict[str, str], words: str
) -> None:
    served = await app(CREATE_AGENT, [DONE])
    settings = read_settings(served.environment | {"GRAPH": OWN + graph} | variables)
    with pytest.raises(ConfigurationError) as refused:
        async with Agent(settings):
            pass
    [fault] = refused.value.faults
    assert words in fault


@pytest.mark.parametrize("program", ["create_agent", "state_graph"])
async def test_program_asks_the_servers_model_with_the_callers_key_on_record(
    app: AppOf, threads: ThreadsOf, tmp_path: Path, program: str
) -> None:
    await app(CREATE_AGENT, [DONE])
    log = tmp_path / "audit.jsonl"
    graph = f"{app_graphs.EXAMPLES}/{program}.py:graph"
    variables = {"ACCESS_IDENTITY": "Human", "AUDIT_LOG_FILE": str(log), "AUDIT_REQUIRED": "true"}
    thinks = AIMessage("Some days.", additional_kwargs={"reasoning_content": "Hm."})
    served = await threads([BALANCE, thinks], GRAPH=graph, **variables)
    chunks = events_of((await served.say("How much leave?", stream=True)).text)
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.get("choices", ())]
    assert [delta["content"] for delta in deltas if delta.get("content")] == ["Some ", "days. "]
    assert [delta["reasoning_content"] for delta in deltas if delta.get("reasoning_content")] == ["Hm."]
    tools = {"leave_balance", "leave_apply"} | ({"today"} if program == "create_agent" else set())
    assert tools <= set(served.model.tools[0])
    assert served.model.keys == [served.sandbox.cloud.secrets.llm_api_key] * 2
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    asked_model = [line for line in lines if line["event"] == "model_call"]
    assert [line["outcome"] for line in asked_model] == ["succeeded"] * 2
    assert {line["principal"]["sub"] for line in asked_model} == {"user_alice01"}


async def test_person_is_told_what_the_servers_model_says_to_a_program(
    app: AppOf, threads: ThreadsOf
) -> None:
    await app(CREATE_AGENT, [DONE])
    served = await threads([telling(DONE)], GRAPH=f"{app_graphs.EXAMPLES}/create_agent.py:graph")
    told = (await served.say("Hello")).json()["agent_notices"]
    assert [notice["text"] for notice in told] == [TEXT]
