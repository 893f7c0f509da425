"""`idaas_agent.testing`: a tool is tested in ten lines, without a socket."""

import pytest
from langchain.agents import create_agent
from langgraph.graph import END

from idaas_agent import (
    READS,
    AccessIdentity,
    ApprovalMode,
    Caller,
    Effect,
    GraphCode,
    ServiceError,
    ToolPolicy,
    ToolResult,
    build_graph,
)
from idaas_agent.testing import (
    AgentUnderTest,
    RecordedModel,
    ScriptedModel,
    ServerUnderTest,
    ToolsUnderTest,
    call,
    caller,
)
from identity.error_codes import IdentityCode
from identity.errors import AuditError
from identity.principal import Principal
from tools import leave


def payroll(service, settings):
    @service.tool(policy=READS)
    async def payslip(http, month: str):
        """Gets a payslip."""
        try:
            return (await http.get("payslips", month, params={"currency": settings["currency"]})).text
        except ServiceError as error:
            if error.status == 404:
                return ToolResult("there is none", ok=False)
            raise

    @service.tool(policy=ToolPolicy(Effect.WRITE))
    async def correct(http, month: str, days: int):
        """Corrects a payslip."""
        return (await http.post("corrections", json={"month": month, "days": days})).text


@pytest.fixture
def tools():
    return ToolsUnderTest(payroll, {"currency": "CNY"})


async def test_request_and_result_of_a_tool(tools):
    tools.responds(json={"net": 8000})
    result = await tools.call("payslip", month="2026-10")
    assert (result.ok, result.text) == (True, '{"net":8000}')
    [request] = tools.requests
    assert (request.method, request.path, request.query) == ("GET", "/payslips/2026-10", {"currency": "CNY"})
    assert request.credential == "token-1"
    assert "token-1" not in repr(request)


async def test_credential_is_renewed_once_after_a_refusal(tools):
    tools.responds(401)
    tools.responds(json={})
    assert (await tools.call("correct", month="2026-10", days=2)).ok
    assert [request.credential for request in tools.requests] == ["token-1", "token-2"]
    assert tools.requests[1].body == {"month": "2026-10", "days": 2}


async def test_failures_are_those_of_the_agent(tools):
    tools.responds(404)
    assert (await tools.call("payslip", month="2026-10")).text == "there is none"
    tools = ToolsUnderTest(payroll, {"currency": "CNY"})
    tools.cannot_be_reached()
    with pytest.raises(ServiceError, match="the connection failed"):
        await tools.call("payslip", month="2026-10")


async def test_wrong_arguments_send_nothing(tools):
    refused = await tools.call("correct", month="2026-10", days="2")
    assert (refused.ok, refused.called, tools.requests) == (False, False, [])
    assert set(tools.parameters("correct")["properties"]) == {"month", "days"}


async def test_request_that_the_test_does_not_expect_fails_it(tools):
    with pytest.raises(AssertionError, match="GET /payslips/2026-10"):
        await tools.call("payslip", month="2026-10")


def test_policy_is_what_the_code_declares():
    human, machine = ToolsUnderTest(leave.service), ToolsUnderTest(leave.service, access_identity="Machine")
    assert human.policy("leave_balance") is ApprovalMode.ALLOW
    assert human.policy("leave_apply", days=3, first_day="2026-10-01") is ApprovalMode.ASK
    assert machine.policy("leave_apply", days=3, first_day="2026-10-01") is ApprovalMode.DENY


async def test_agent_calls_a_tool_by_the_script_as_the_user_and_records_it(tools):
    tools.responds(json={"net": 8000})
    model = ScriptedModel(call("payslip", month="2026-10"), "8,000.")
    agent = AgentUnderTest(model, tools)
    assert await agent.ask("My payslip?") == "8,000."
    [request] = tools.requests
    assert (request.acts_for, request.permission) == ("user", "service.use")
    assert [(event.tool, event.outcome) for event in agent.audit if event.action == "tool_call"] == [
        ("payslip", "started"),
        ("payslip", "succeeded"),
    ]
    assert agent.asked == {}
    assert model.read[1][-1].text == '{"net":8000}'
    assert set(model.offered[0]) == {"payslip", "correct"}
    assert [event["type"] for event in agent.events] == ["tool_started", "tool_finished", "content"]


@pytest.mark.parametrize("approves", [True, False])
async def test_call_that_asks_is_made_only_if_the_test_approves_it(tools, approves):
    tools.responds(json={})
    asked = call("correct", month="2026-10", days=2)
    agent = AgentUnderTest(ScriptedModel(asked, "done"), tools, approves=approves)
    assert await agent.ask("Correct it") == "done"
    assert agent.asked == {asked["id"]: asked}
    assert len(tools.requests) == approves
    assert agent.messages[2].text == ("{}" if approves else "The user declined this call.")


async def test_machine_identity_and_a_permission_of_its_own_are_seen_in_the_request():
    def reports(service, _):
        @service.tool(policy=READS, permission="reports.read")
        async def report(http):
            """Gets a report."""
            return (await http.get()).text

        @service.tool(permission="reports.read reports.write")
        async def correct_report(http):
            """Corrects a report."""
            return (await http.post()).text

    tools = ToolsUnderTest(reports, access_identity=AccessIdentity.MACHINE)
    tools.responds(text="all")
    await tools.call("correct_report")
    assert tools.requests.pop().permission == "reports.read reports.write"
    assert (await tools.call("report")).text == "all"
    await AgentUnderTest(ScriptedModel([call("report"), call("report")], "done"), tools).ask("both")
    assert [(each.acts_for, each.permission) for each in tools.requests] == [(None, "reports.read")] * 3


async def test_own_graph_and_two_conversations_of_one_caller_are_run_by_the_kit(tools):
    def build(parts):
        async def guard(state, runtime):
            return {"instructions": f"You help {runtime.context.caller.name}."}

        graph = build_graph(parts, first="guard")
        graph.add_node("guard", guard)
        graph.add_edge("guard", "credentials")
        return graph

    ann = Caller(Principal("https://idaas.example.com", "ann"), {"name": "Ann"})
    model = ScriptedModel("one", ServiceError(GraphCode.MODEL_CALL_FAILED, "down"))
    agent = AgentUnderTest(model, tools, graph=build, caller=ann)
    assert await agent.ask("first") == "one"
    with pytest.raises(ServiceError):
        await agent.ask("second")
    assert model.read[0][0].text.startswith("You help Ann.")
    assert [message.text for message in model.read[1][1:]] == ["first", "one", "second"]


async def test_own_nodes_keep_a_memory_of_each_user_and_of_no_other(tools):
    notes: dict[Principal, str] = {}

    def build(parts):
        async def recall(state, runtime):
            return {"instructions": notes.get(runtime.context.caller.principal, "")}

        async def remember(state, runtime):
            notes[runtime.context.caller.principal] = f"They have asked: {state['messages'][0].text}"

        graph = build_graph(parts, first="recall", last="remember")
        graph.add_node("recall", recall).add_edge("recall", "credentials")
        return graph.add_node("remember", remember).add_edge("remember", END)

    model = ScriptedModel("one")
    for name in ("ann", "ann", "bob"):
        caller = Caller(Principal("https://idaas.example.com", name))
        await AgentUnderTest(model, tools, graph=build, caller=caller).ask(f"{name}'s question")
    known = ["They have asked: ann's question" in read[0].text for read in model.read]
    assert known == [False, True, False]


async def test_tool_under_test_is_refused_what_the_agent_refuses():
    def uploads(service, _):
        @service.tool
        async def upload(http):
            """Uploads a stream."""
            return (await http.request("PUT", content=pieces())).text

        @service.tool
        async def taken(http):
            """Uses an SDK."""
            return (await http.credential()).secret.reveal()

    async def pieces():
        yield b"a"

    tools = ToolsUnderTest(uploads)
    tools.responds(401)
    tools.responds(200)
    with pytest.raises(ServiceError, match="sent once"):
        await tools.call("upload")
    assert len(tools.requests) == 1
    with pytest.raises(ServiceError, match="lends_credential = true"):
        await tools.call("taken")


@pytest.mark.promise("on-record")
async def test_credential_that_a_tool_takes_is_on_record_before_the_tool_has_it():
    def sdk(service, _):
        @service.tool(policy=READS)
        async def taken(http):
            """Uses an SDK."""
            seen.append((await http.credential()).secret.reveal())
            return "done"

    seen = []
    model = ScriptedModel(call("taken"), "Done.", call("taken"))
    agent = AgentUnderTest(model, ToolsUnderTest(sdk, lends_credential=True))
    await agent.ask("Use it")
    [lent] = [event for event in agent.audit if event.action == "credential_lent"]
    [begun, ended] = [event for event in agent.audit if event.action == "tool_call"]
    assert (lent.service, lent.tool, lent.call_id) == ("service", "taken", begun.call_id)
    assert (lent.principal.subject, lent.scope, lent.access_identity) == ("user", "service.use", "Human")
    assert agent.audit.index(begun) < agent.audit.index(lent) < agent.audit.index(ended)
    assert seen[0] not in repr(agent.audit) + repr(agent.messages)

    async def unwritten(event):
        if event.action == "credential_lent":
            raise AuditError(IdentityCode.AUDIT_UNAVAILABLE, "broken")

    agent.record = unwritten
    with pytest.raises(AuditError):
        await agent.ask("Again")
    assert seen == ["token-1"]


async def test_graph_of_an_application_runs_with_a_scripted_model_and_these_tools(tools):
    async def build(identity, model, checkpointer):
        added = await identity.tools("services.toml")
        return create_agent(model, [*added], middleware=[identity.middleware()], checkpointer=checkpointer)

    tools.responds(json={"net": 8000})
    turns = call("payslip", month="2026-10"), call("correct", month="2026-10", days=2), "8,000 yuan."
    agent = AgentUnderTest(ScriptedModel(*turns), tools, graph=build)
    assert await agent.ask("My payslip?") == "8,000 yuan."
    assert [each.acts_for for each in tools.requests] == ["user", "user"]
    assert [asked["name"] for asked in agent.asked.values()] == ["correct"]
    made = [event.outcome for event in agent.audit if event.tool == "payslip"]
    assert made == ["started", "succeeded"]
    shown = [event["type"] for event in agent.events]
    assert shown == ["tool_started", "tool_finished", "tool_started", "tool_finished", "content"]
    assert await agent.ask("And now?") == "8,000 yuan."
    assert len(agent.messages) == 8


async def test_call_of_an_application_that_its_user_declines_is_not_made(tools):
    async def build(identity, model):
        return create_agent(model, await identity.tools("services.toml"), middleware=[identity.middleware()])

    turns = call("correct", month="2026-10", days=2), "Not corrected."
    agent = AgentUnderTest(ScriptedModel(*turns), tools, graph=build, approves=False)
    assert await agent.ask("Correct it") == "Not corrected."
    assert tools.requests == []
    assert "declined" in agent.messages[2].text


async def test_later_response_and_later_turn_are_those_of_the_next_request(tools):
    tools.responds(json={"net": 1})
    assert (await tools.call("payslip", month="2026-10")).text == '{"net":1}'
    assert (await tools.call("payslip", month="2026-10")).text == '{"net":1}'
    tools.responds(json={"net": 2})
    assert (await tools.call("payslip", month="2026-10")).text == '{"net":2}'
    model = ScriptedModel("first")
    agent = AgentUnderTest(model, tools)
    assert await agent.ask("one") == "first"
    model.responds("second", "third")
    assert [await agent.ask("more") for _ in range(3)] == ["second", "third", "third"]
    with pytest.raises(AssertionError, match="the model, after 'Hello'"):
        await AgentUnderTest(ScriptedModel(), tools).ask("Hello")


async def test_caller_has_claims_and_groups_and_reads_the_instructions_of_their_group(tools):
    carol = caller("carol", name="Carol", groups=["finance"])
    assert (carol.subject, carol.name, carol.groups) == ("carol", "Carol", ("finance",))
    model = ScriptedModel("Hello.")
    prompt = "You speak with {{name}}.\n[group finance]\nShow sums."
    await AgentUnderTest(model, tools, caller=carol, system_prompt=prompt).ask("Hi")
    assert model.read[0][0].text.startswith("You speak with Carol.\n\nShow sums.")
    tools.responds(json={})
    await AgentUnderTest(ScriptedModel(call("payslip", month="1"), "Done."), tools, caller=carol).ask("Hi")
    assert tools.requests[0].acts_for == "carol"


async def test_request_has_its_headers_its_bytes_and_the_parts_of_a_form():
    def uploads(service, _):
        @service.tool
        async def upload(http):
            """Uploads a receipt."""
            files = {"receipt": ("a.bin", b"\x00\r\n\xff--", "application/octet-stream")}
            response = await http.post(
                "receipts", form={"note": "Täxi"}, files=files, headers={"X-Tone": "calm"}
            )
            return response.text

        @service.tool
        async def send(http):
            """Sends bytes."""
            return (await http.post("raw", content=b"\xff\x00")).text

        @service.tool
        async def misspelt(http):
            """Sends nothing."""
            return (await http.post("raw", data={"note": "lost"})).text

    tools = ToolsUnderTest(uploads)
    tools.responds(text="ok")
    await tools.call("upload")
    await tools.call("send")
    form, raw = tools.requests
    note, receipt = form.parts
    assert (note.name, note.filename, note.text) == ("note", None, "Täxi")
    assert (receipt.name, receipt.filename, receipt.content_type) == (
        "receipt",
        "a.bin",
        "application/octet-stream",
    )
    assert receipt.content == b"\x00\r\n\xff--"
    assert form.headers["x-tone"] == "calm"
    assert 'name="note"' in form.body
    assert (raw.content, raw.parts) == (b"\xff\x00", ())
    with pytest.raises(TypeError, match='has no option "data"'):
        await tools.call("misspelt")
    assert len(tools.requests) == 2


async def test_answers_of_a_model_are_recorded_once_and_repeated_in_other_runs(tools, tmp_path):
    tools.responds(json={"net": 8000})
    file = tmp_path / "answers.json"
    real = ScriptedModel(call("payslip", month="2026-10"), "8,000.")
    first = AgentUnderTest(RecordedModel(file, real), tools)
    assert await first.ask("My payslip?") == "8,000."
    for model in (RecordedModel(file, real), RecordedModel(file)):
        again = AgentUnderTest(model, tools)
        assert await again.ask("My payslip?") == "8,000."
    assert (len(real.read), len(tools.requests)) == (2, 3)
    assert "model-key" not in file.read_text()
    with pytest.raises(AssertionError, match=r'has no answer to "Another question"'):
        await AgentUnderTest(RecordedModel(file), tools).ask("Another question")


async def test_tools_of_a_services_file_have_its_settings_and_policies_and_its_faults_are_named(tmp_path):
    (tmp_path / "pay.py").write_text(
        "def service(pay, settings):\n"
        "    @pay.tool\n"
        "    async def pay_out(http) -> str:\n"
        '        """Pays."""\n'
        '        return (await http.post(params={"to": settings["to"]})).text\n'
    )
    file = tmp_path / "services.toml"
    entry = (
        '[services.pay]\ntype = "http"\nurl = "https://pay.example"\naccess_token = "https://pay.example|pay"\n'
        'access_identity = "Machine"\npython = "pay.py:service"\nsettings = { to = "bank" }\n'
        '[services.pay.policies.pay_out]\neffect = "write"\npolicy = "allow"\n'
    )
    file.write_text(entry)
    tools = ToolsUnderTest.of_file(file, "pay")
    tools.responds(text="paid")
    assert (tools.name, tools.tool_names, tools.policy("pay_out")) == ("pay", {"pay_out"}, ApprovalMode.ALLOW)
    assert (await tools.call("pay_out")).text == "paid"
    assert (tools.requests[0].query, tools.requests[0].acts_for) == ({"to": "bank"}, None)
    file.write_text(entry.replace("policies.pay_out", "policies.pay_in"))
    with pytest.raises(
        ValueError, match=r"services.toml: services.pay.policies.pay_in: there is no such tool"
    ):
        ToolsUnderTest.of_file(file, "pay")
    with pytest.raises(ValueError, match=r"services.other must be a service of the type"):
        ToolsUnderTest.of_file(file, "other")


async def test_result_of_a_server_is_that_of_the_next_call_also_if_it_comes_later() -> None:
    maps = ServerUnderTest([{"name": "weather", "inputSchema": {"type": "object"}}])
    results: list[str] = []
    for text in ("a", "b"):
        maps.responds(text=text)
        agent = AgentUnderTest(ScriptedModel(call("weather"), "done"), maps)
        await agent.ask("?")
        results += [str(message.content) for message in agent.messages if message.type == "tool"]
    assert ["a" in results[0], "b" in results[1]] == [True, True]
