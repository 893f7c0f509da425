"""Tools of `Identity.tools`, each complete in itself, in a graph that somebody else has."""

import asyncio
import contextvars

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import ToolException
from langgraph.graph import MessagesState
from langgraph.prebuilt import ToolNode

from idaas_agent.library.tools import tools_of
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, ConfigurationError, CredentialError, ServiceError
from tests.library.called_app import (
    APPROVE,
    REJECT,
    SCOPE,
    Bank,
    MemoryIdentity,
    call,
    called_app,
    decisions,
    edit,
    in_a_graph,
    pay,
    question_of,
    results,
)
from tools.error_codes import ToolCode
from tools.service import ToolResult

pytestmark = pytest.mark.promise("approval-binds", "verified-caller")

DECLARED = 'type = "http"\nurl = "https://own.example"\npython = "own.py:service"'


async def test_read_is_made_with_the_callers_credential():
    bank = Bank()
    app = await called_app(bank)
    assert results(await app.ask(call("balance", "call_1"))) == {"call_1": ("success", "5000")}
    assert bank.calls == [("balance", {}, f"{SCOPE}-of-alice-0")]


async def test_call_is_recorded_before_and_after_it():
    app = await called_app(Bank())
    await app.ask(call("balance", "call_1"))
    assert app.identity.records.outcomes == [("tool_call", "started"), ("tool_call", "succeeded")]


async def test_call_without_a_caller_is_refused():
    bank = Bank()
    app = await called_app(bank)
    with pytest.raises(AccessTokenError):
        await app.ask(call("balance", "call_1"), user=None)
    assert bank.calls == []


async def test_framework_that_drops_the_context_is_a_refusal():
    bank, identity = Bank(), MemoryIdentity()
    balance, _ = await tools_of(identity, [bank])

    async def drops(state: MessagesState) -> dict:
        work = balance.ainvoke(call("balance", "call_1"))
        return {"messages": [await asyncio.create_task(work, context=contextvars.Context())]}

    app = await called_app(Bank())
    app.graph = in_a_graph(drops, None)
    with pytest.raises(AccessTokenError):
        await app.ask(call("balance", "call_1"))
    assert bank.calls == []


async def test_caller_is_verified_at_each_call():
    app = await called_app(bank := Bank())
    await app.ask(call("balance", "call_1"))
    app.identity.tokens.refused.add("alice-at")
    with pytest.raises(AccessTokenError):
        await app.ask(call("balance", "call_2"))
    assert len(bank.calls) == 1


async def test_failure_of_a_service_is_a_result_with_the_status_error():
    app = await called_app(Bank(balance=ServiceError(ToolCode.SERVICE_FAILED, "down")))
    status, text = results(await app.ask(call("balance", "call_1")))["call_1"]
    assert (status, text.split(":")[0]) == ("error", "service_failed")


@pytest.mark.promise("human-stays-human")
async def test_refused_credential_of_the_caller_does_not_become_the_applications():
    app = await called_app(bank := Bank())
    app.identity.vault.failures[SCOPE] = CredentialError(IdentityCode.USER_TOKEN_REFUSED, "not granted")
    status, _ = results(await app.ask(call("balance", "call_1")))["call_1"]
    assert (status, bank.calls) == ("error", [])
    assert {owner for _, owner in app.identity.vault.obtained} == {"alice"}


@pytest.mark.parametrize(("name", "fault"), [("model", None), ("approvals", None), ("maps", "built-in")])
async def test_file_of_services_reserves_no_name_and_has_no_built_in_one(tmp_path, name, fault):
    file = tmp_path / "services.toml"
    kind = 'type = "built-in"' if fault else DECLARED
    file.write_text(f"[services.{name}]\n{kind}\n")
    (tmp_path / "own.py").write_text("def service(made, settings): pass\n")
    identity = MemoryIdentity()
    if fault is None:
        assert await tools_of(identity, file) == []
        return
    with pytest.raises(ConfigurationError) as refused:
        await tools_of(identity, file)
    assert any("built-in" in each for each in refused.value.faults)


async def test_write_waits_for_its_user_and_is_made_once():
    app = await called_app(bank := Bank())
    question = question_of(await app.ask(pay(50)))
    assert question["action_requests"][0]["name"] == "pay"
    assert question["action_requests"][0]["args"] == {"amount": 50}
    assert question["review_configs"][0]["allowed_decisions"] == ["approve", "edit", "reject"]
    (about,) = question["approvals"]
    assert (about["access_identity"], about["audience"]) == ("Human", "https://bank.example")
    assert bank.paid == []
    assert results(await app.run(decisions(APPROVE))) == {"call_1": ("success", "paid")}
    assert bank.paid == [50]
    assert set(app.identity.vault.obtained) == {(SCOPE, "alice")}


async def test_rejected_write_is_not_made_and_the_model_reads_the_words():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    status, text = results(await app.run(decisions({**REJECT, "message": "too much"})))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert "declined" in text
    assert "too much" in text


async def test_edit_counts_as_approval_of_the_edited_arguments():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    assert results(await app.run(decisions(edit(20))))["call_1"] == ("success", "paid")
    assert bank.paid == [20]


async def test_edit_that_the_policy_denies_is_not_made():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    assert results(await app.run(decisions(edit(2000))))["call_1"][0] == "error"
    assert bank.paid == []


async def test_edit_that_names_another_tool_is_refused():
    app = await called_app(bank := Bank())
    await app.ask(pay(50))
    status, text = results(await app.run(decisions(edit(20, "balance"))))["call_1"]
    assert (status, bank.calls) == ("error", [])
    assert "another tool" in text


async def test_call_whose_user_cannot_be_asked_is_refused_in_words():
    app = await called_app(bank := Bank())
    app.graph = in_a_graph(ToolNode(await tools_of(app.identity, [bank])), None)
    status, text = results(await app.ask(pay(50)))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert "not kept" in text


async def test_denied_call_is_refused_without_a_question():
    app = await called_app(bank := Bank())
    status, text = results(await app.ask(pay(2000)))["call_1"]
    assert (status, bank.paid) == ("error", [])
    assert "denies" in text


async def test_arguments_that_are_no_json_are_refused():
    app = await called_app(bank := Bank())
    deep: dict = {}
    for _ in range(40):
        deep = {"deeper": deep}
    status, _ = results(await app.ask(call("pay", "call_1", amount=deep)))["call_1"]
    assert (status, bank.calls) == ("error", [])


async def test_tool_in_a_node_of_ones_own_asks_and_is_called_by_arguments_alone():
    bank, identity = Bank(), MemoryIdentity()
    balance, pays = await tools_of(identity, [bank])

    async def node(state: MessagesState) -> dict:
        text = await balance.ainvoke({})
        paid = await pays.ainvoke({"amount": 50})
        return {"messages": [AIMessage(f"{text} {paid}")]}

    app = await called_app(bank)
    app.identity, app.graph = identity, in_a_graph(node, app.graph.checkpointer)
    question_of(await app.run({"messages": [HumanMessage("Pay.")]}))
    state = await app.run(decisions(APPROVE))
    assert state["messages"][-1].text == "5000 paid"
    assert [tool for tool, *_ in bank.calls] == ["balance", "pay"]


async def test_two_equal_calls_of_a_node_are_two_calls():
    bank, identity = Bank(), MemoryIdentity()
    _, pays = await tools_of(identity, [bank])

    async def node(state: MessagesState) -> dict:
        return {"messages": [AIMessage(await pays.ainvoke({"amount": 5})) for _ in range(2)]}

    app = await called_app(bank)
    app.identity, app.graph = identity, in_a_graph(node, app.graph.checkpointer)
    await app.run({"messages": [HumanMessage("Pay.")]})
    await app.run(decisions(APPROVE))
    await app.run(decisions(APPROVE))
    assert bank.paid == [5, 5]


async def test_refusal_of_arguments_alone_is_an_exception_that_tools_raise():
    bank, identity = Bank(pay=ToolResult("no funds", ok=False)), MemoryIdentity()
    _, pays = await tools_of(identity, [bank])

    async def node(state: MessagesState) -> dict:
        with pytest.raises(ToolException):
            await pays.ainvoke({"amount": 2000})
        return {"messages": [AIMessage("refused")]}

    app = await called_app(bank)
    app.identity, app.graph = identity, in_a_graph(node, None)
    assert (await app.run({"messages": []}))["messages"][-1].text == "refused"


def test_synchronous_call_names_the_asynchronous_one():
    async def made() -> list:
        return await tools_of(MemoryIdentity(), [Bank()])

    balance, _ = asyncio.run(made())
    with pytest.raises(NotImplementedError, match="ainvoke"):
        balance.invoke({})


async def test_two_services_with_a_tool_of_one_name_are_a_fault():
    other = Bank()
    other.name = "other"
    with pytest.raises(ConfigurationError) as raised:
        await tools_of(MemoryIdentity(), [Bank(), other])
    assert [fault.split('"')[1] for fault in raised.value.faults] == ["balance", "pay"]


async def test_tools_listed_by_their_server_need_a_caller():
    bank = Bank()
    bank.listed_by_its_server = True
    with pytest.raises(ConfigurationError) as raised:
        await tools_of(MemoryIdentity(), [bank])
    assert "acting_for" in raised.value.faults[0]


async def test_result_is_a_message_of_the_call():
    app = await called_app(Bank())
    state = await app.ask(call("balance", "call_1"))
    message = state["messages"][-1]
    assert isinstance(message, ToolMessage)
    assert message.name == "balance"
