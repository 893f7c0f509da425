import asyncio

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from graph.context import AgentContext
from graph.limits import Limits
from identity.access_identity import AccessIdentity
from identity.error_table import ERROR_TABLE, ErrorCode
from identity.errors import AccessTokenError, CredentialError, ServiceError, UnreachableError
from identity.secret import Secret
from tools.service import ToolResult

DONE = AIMessage("done")


async def test_nodes_are_named_as_the_design_draws_them(bench, echo):
    graph = bench([DONE], echo("amap"), echo("enterprise")).graph.get_graph()
    assert set(graph.nodes) == {
        "__start__", "authenticate", "credentials", "model", "amap", "enterprise", "__end__",
    }  # fmt: skip
    edges = {(edge.source, edge.target) for edge in graph.edges}
    assert {("authenticate", "credentials"), ("credentials", "model"), ("amap", "model")} <= edges


@pytest.mark.parametrize("name", ["model", "credentials", "authenticate", "__end__"])
def test_a_service_may_not_take_the_name_of_a_node(bench, echo, name):
    with pytest.raises(ValueError, match="service names"):
        bench([DONE], echo(name))


def test_two_services_of_one_name_are_refused(bench, echo):
    with pytest.raises(ValueError, match="service names"):
        bench([DONE], echo("amap"), echo("amap"))


async def test_a_question_without_tools_is_one_model_call(bench, echo, amap_key):
    b = bench([DONE], echo("amap", amap_key, weather="sunny"))
    (answer,) = await b.ask()
    assert answer.text == "done"
    assert b.model.tools == [["weather"]]
    assert b.model.keys == ["llm_api_key-of-machine-0"]


async def test_calls_of_several_services_run_side_by_side(
    bench, echo, call_tools, amap_key, enterprise_scope
):
    together = asyncio.Barrier(3)

    async def meet():
        await asyncio.wait_for(together.wait(), 5)
        return "met"

    b = bench(
        [call_tools(("weather", {"city": "x"}), ("weather", {"city": "y"}), ("invoke", {})), DONE],
        echo("amap", amap_key, weather=meet),
        echo("enterprise", enterprise_scope, invoke=meet),
    )
    answer, *results, final = await b.ask()
    assert [call["id"] for call in answer.tool_calls] == ["call_1", "call_2", "call_3"]
    assert {(r.tool_call_id, r.text, r.status) for r in results} == {
        ("call_1", "met", "success"), ("call_2", "met", "success"), ("call_3", "met", "success"),
    }  # fmt: skip
    assert final.text == "done"
    assert sorted(b.vault.obtained) == sorted(
        [("llm_api_key", "machine"), ("amap_api_key", "machine"), (enterprise_scope.scope, "machine")]
    )


async def test_rounds_go_on_until_the_model_is_content(bench, echo, call_tools):
    b = bench(
        [call_tools(("geo", {})), call_tools(("weather", {})), DONE],
        echo("amap", geo="120,30", weather="sunny"),
    )
    assert [m.type for m in await b.ask()] == ["ai", "tool", "ai", "tool", "ai"]


async def test_at_the_limit_the_model_is_asked_without_tools_and_told_so(bench, echo, call_tools):
    b = bench(
        [call_tools(("weather", {}), text="looking")],
        echo("amap", weather="sunny"),
        limits=Limits(tool_rounds=2),
    )
    messages = await b.ask()
    assert [m.type for m in messages] == ["ai", "tool", "ai", "tool", "ai"]
    assert b.model.tools == [["weather"], ["weather"], []]
    assert "No tool can be called any more" in str(b.model.asked[-1][0].content)
    assert messages[-1].text == "looking"
    assert messages[-1].tool_calls == []  # the scripted model calls on, though nothing was offered


async def test_calls_past_the_limit_for_one_answer_are_refused_and_the_others_run(bench, echo, call_tools):
    amap = echo("amap", weather="sunny")
    b = bench([call_tools(*[("weather", {})] * 5), DONE], amap, limits=Limits(tool_calls=3))
    results = [m for m in await b.ask() if isinstance(m, ToolMessage)]
    assert sorted((r.tool_call_id, r.status) for r in results) == [
        ("call_1", "success"), ("call_2", "success"), ("call_3", "success"),
        ("call_4", "error"), ("call_5", "error"),
    ]  # fmt: skip
    assert len(amap.calls) == 3


async def test_a_call_of_an_unknown_tool_goes_back_to_the_model_as_an_error(bench, echo, call_tools):
    b = bench([call_tools(("teleport", {})), DONE], echo("amap", weather="sunny"))
    _, result, final = await b.ask()
    assert (result.status, result.tool_call_id) == ("error", "call_1")
    assert "teleport" in result.text
    assert final.text == "done"


async def test_unknown_and_known_tools_in_one_answer_are_each_answered(bench, echo, call_tools):
    b = bench([call_tools(("teleport", {}), ("weather", {})), DONE], echo("amap", weather="sunny"))
    results = [m for m in await b.ask() if isinstance(m, ToolMessage)]
    assert {(r.tool_call_id, r.status) for r in results} == {("call_1", "error"), ("call_2", "success")}


async def test_arguments_that_are_no_json_are_refused_and_leave_the_conversation(bench, echo):
    broken = AIMessage(
        "",
        invalid_tool_calls=[
            {"name": "weather", "args": '{"city": ', "id": "", "error": None, "type": "invalid_tool_call"}
        ],
    )
    amap = echo("amap", weather="sunny")
    b = bench([broken, DONE], amap)
    answer, result, _ = await b.ask()
    assert amap.calls == []
    assert result.status == "error"
    assert answer.invalid_tool_calls == []
    assert answer.tool_calls[0]["id"] == result.tool_call_id != ""


async def test_a_failing_tool_is_a_result_with_the_codes_words(bench, echo, call_tools, amap_key):
    failure = ServiceError(ErrorCode.EXTERNAL_SERVICE_FAILED, '"amap": status 500', status=500)
    b = bench([call_tools(("weather", {})), DONE], echo("amap", amap_key, weather=failure))
    _, result, final = await b.ask()
    row = ERROR_TABLE[ErrorCode.EXTERNAL_SERVICE_FAILED]
    assert result.status == "error"
    assert all(
        words in result.text for words in ("external_service_failed", row.symptom, row.remedy, "status 500")
    )
    assert result.artifact == {
        "service": "amap", "access_identity": "Machine", "error": "external_service_failed",
    }  # fmt: skip
    assert final.text == "done"


async def test_a_fault_in_a_tool_is_a_result_without_its_text(bench, echo, call_tools, caplog):
    b = bench([call_tools(("weather", {})), DONE], echo("amap", weather=KeyError("canary")))
    _, result, _ = await b.ask()
    assert result.status == "error"
    assert "KeyError" in result.text
    assert "canary" not in result.text + caplog.text
    assert "KeyError" in caplog.text


async def test_a_tools_own_error_is_passed_on_as_it_said_it(bench, echo, call_tools):
    b = bench([call_tools(("weather", {})), DONE], echo("amap", weather=ToolResult("no such city", ok=False)))
    _, result, _ = await b.ask()
    assert (result.text, result.status) == ("no such city", "error")


async def test_a_slow_tool_ends_at_its_deadline(bench, echo, call_tools):
    async def hang():
        await asyncio.Event().wait()

    b = bench(
        [call_tools(("weather", {})), DONE], echo("amap", weather=hang), limits=Limits(tool_seconds=0.05)
    )
    _, result, final = await b.ask()
    assert "external_service_failed" in result.text
    assert final.text == "done"


async def test_an_unavailable_credential_of_a_service_answers_its_calls_only(
    bench, echo, call_tools, amap_key
):
    enterprise = echo("enterprise", invoke="hi")
    b = bench(
        [call_tools(("weather", {}), ("invoke", {})), DONE], echo("amap", amap_key, weather="x"), enterprise
    )
    b.vault.failures["amap_api_key"] = CredentialError(ErrorCode.EXTERNAL_API_KEY_UNAVAILABLE, "not granted")
    results = {m.name: m for m in await b.ask() if isinstance(m, ToolMessage)}
    assert "external_api_key_unavailable" in results["weather"].text
    assert results["invoke"].text == "hi"
    assert b.vault.obtained.count(("amap_api_key", "machine")) == 1


async def test_without_the_models_key_the_run_fails_with_the_reason(bench, echo):
    b = bench([DONE], echo("amap"))
    b.vault.failures["llm_api_key"] = CredentialError(ErrorCode.LLM_API_KEY_UNAVAILABLE, "not granted")
    with pytest.raises(CredentialError) as caught:
        await b.ask()
    assert caught.value.code is ErrorCode.LLM_API_KEY_UNAVAILABLE
    assert b.model.asked == []


async def test_credentials_that_take_too_long_are_unreachable(bench, echo, amap_key):
    b = bench([DONE], echo("amap", amap_key, weather="x"), limits=Limits(credentials_seconds=0.05))
    b.vault.hang = {"amap_api_key"}
    b.services[0].listing = None
    assert (await b.ask())[-1].text == "done"
    b.vault.hang = {"llm_api_key"}
    with pytest.raises(UnreachableError) as caught:
        await b.ask()
    assert caught.value.code is ErrorCode.IDAAS_UNREACHABLE


async def test_without_a_token_nothing_is_asked_of_anybody(bench, echo):
    b = bench([DONE], echo("amap"))
    with pytest.raises(AccessTokenError) as caught:
        await b.graph.ainvoke({"messages": [("user", "hi")]})
    assert caught.value.code is ErrorCode.ACCESS_TOKEN_MISSING
    assert (b.tokens.verified, b.vault.obtained, b.model.asked) == ([], [], [])


async def test_a_token_given_as_plain_text_does_not_count(bench, echo):
    b = bench([DONE], echo("amap"))
    with pytest.raises(AccessTokenError):
        await b.graph.ainvoke({"messages": [("user", "hi")]}, context={"access_token": "alice-at"})
    assert b.tokens.verified == []


async def test_a_refused_token_ends_the_run_before_credentials(bench, echo):
    b = bench([DONE], echo("amap"))
    b.tokens.refused.add("alice-at")
    with pytest.raises(AccessTokenError):
        await b.ask()
    assert b.vault.obtained == []


async def test_a_token_that_expires_during_a_run_stops_it_at_the_next_node(bench, echo, call_tools):
    async def expire():
        b.tokens.refused.add("alice-at")
        return "sunny"

    b = bench([call_tools(("weather", {})), DONE], echo("amap", weather=expire))
    with pytest.raises(AccessTokenError):
        await b.ask()
    assert len(b.model.asked) == 1


async def test_human_identity_uses_the_callers_credentials_and_never_the_machines(
    bench, echo, call_tools, amap_key, enterprise_scope
):
    amap = echo("amap", amap_key, weather="x")
    enterprise = echo("enterprise", enterprise_scope, access_identity=AccessIdentity.HUMAN, invoke="y")
    b = bench(
        [call_tools(("weather", {}), ("invoke", {})), DONE],
        amap,
        enterprise,
        access_identity=AccessIdentity.HUMAN,
    )
    await b.ask(token="bob-at")
    assert {owner for _, owner in b.vault.obtained} == {"bob"}
    b.vault.failures[enterprise_scope.scope] = CredentialError(
        ErrorCode.TOKEN_EXCHANGE_FAILED, "access_denied"
    )
    b.model.turns[:] = [call_tools(("invoke", {})), DONE]
    _, result, _ = await b.ask(token="bob-at")
    assert "token_exchange_failed" in result.text
    assert {owner for _, owner in b.vault.obtained} == {"bob"}


async def test_a_service_may_be_human_where_the_agent_is_machine(bench, echo, call_tools, enterprise_scope):
    leave = echo("leave", enterprise_scope, access_identity=AccessIdentity.HUMAN, balance="5 days")
    b = bench([call_tools(("balance", {})), DONE], leave)
    _, result, _ = await b.ask()
    assert sorted(b.vault.obtained) == [(enterprise_scope.scope, "alice"), ("llm_api_key", "machine")]
    assert result.artifact["access_identity"] == "Human"


async def test_a_renewed_credential_serves_the_rest_of_the_run(bench, echo, call_tools, amap_key):
    amap = echo("amap", amap_key, weather="x")
    amap.renew_first = True
    b = bench([call_tools(("weather", {}), ("weather", {})), call_tools(("weather", {})), DONE], amap)
    await b.ask()
    assert len(b.vault.invalidated) == 2  # once in each of the two steps, not once for each call
    assert [secret for _, _, secret in amap.calls] == [
        "amap_api_key-of-machine-1", "amap_api_key-of-machine-1", "amap_api_key-of-machine-2",
    ]  # fmt: skip


async def test_a_credential_about_to_expire_is_asked_for_anew(bench, echo, call_tools, amap_key):
    b = bench([call_tools(("weather", {})), DONE], echo("amap", amap_key, weather="x"))
    b.vault.lifetime = 20
    await b.ask()
    assert b.vault.obtained.count(("amap_api_key", "machine")) == 2


async def test_a_service_that_cannot_list_its_tools_is_left_out_and_the_model_told_why(bench, echo):
    amap = echo("amap", weather="x")
    amap.listing = ServiceError(ErrorCode.EXTERNAL_SERVICE_FAILED, "could not be reached")
    b = bench([DONE], amap, echo("enterprise", invoke="y"))
    assert (await b.ask())[-1].text == "done"
    assert b.model.tools == [["invoke"]]
    assert "external_service_failed" in str(b.model.asked[0][0].content)
    amap.listing = KeyError("canary")
    await b.ask()
    assert "canary" not in str(b.model.asked[1][0].content)


async def test_of_two_tools_with_one_name_the_first_services_is_offered(bench, echo, call_tools):
    first, second = echo("first", search="1"), echo("second", search="2", other="3")
    b = bench([call_tools(("search", {})), DONE], first, second)
    _, result, _ = await b.ask()
    assert result.text == "1"
    assert b.model.tools[0] == ["search", "other"]


async def test_the_prompt_is_one_system_message_and_says_nothing_of_the_caller(bench, echo):
    b = bench([DONE], echo("amap", weather="x"))
    messages = [SystemMessage("Be brief."), HumanMessage("hi")]
    await b.graph.ainvoke({"messages": messages}, context=AgentContext(Secret("alice-at")))
    system, *rest = b.model.asked[0]
    assert str(system.content).endswith("Be brief.")
    assert [m.type for m in rest] == ["human"]
    assert "alice" not in str(b.model.asked[0])


async def test_a_call_that_was_cut_off_in_an_earlier_run_does_not_break_the_conversation(
    bench, echo, call_tools
):
    b = bench([DONE], echo("amap", weather="x"))
    history = [HumanMessage("weather?"), call_tools(("weather", {})), HumanMessage("hello?")]
    await b.graph.ainvoke({"messages": history}, context=AgentContext(Secret("alice-at")))
    assert [m.type for m in b.model.asked[0]] == ["system", "human", "ai", "tool", "human"]


async def test_a_model_failure_fails_the_run(bench, echo):
    b = bench([ServiceError(ErrorCode.MODEL_CALL_FAILED, "status 500", status=500)], echo("amap"))
    with pytest.raises(ServiceError) as caught:
        await b.ask()
    assert (caught.value.code, caught.value.status) == (ErrorCode.MODEL_CALL_FAILED, 500)


async def test_a_refused_model_key_is_renewed_once(bench, echo):
    refused = ServiceError(ErrorCode.MODEL_CALL_FAILED, "status 401", status=401)
    b = bench([refused, DONE], echo("amap"))
    assert (await b.ask())[-1].text == "done"
    assert b.model.keys == ["llm_api_key-of-machine-0", "llm_api_key-of-machine-1"]
    b.model.turns[:] = [refused]
    with pytest.raises(ServiceError):
        await b.ask()
    assert len(b.model.keys) == 4


async def test_concurrent_users_each_use_their_own_key(bench, echo, call_tools, amap_key):
    def turn(messages):
        return DONE if messages[-1].type == "tool" else call_tools(("weather", {"who": messages[-1].text}))

    amap = echo("amap", amap_key, weather="x")
    b = bench([turn], amap, access_identity=AccessIdentity.HUMAN)
    await asyncio.gather(*(b.ask(f"user{n}", token=f"user{n}-at") for n in range(20)))
    assert sorted((arguments["who"], secret) for _, arguments, secret in amap.calls) == sorted(
        (f"user{n}", f"amap_api_key-of-user{n}-0") for n in range(20)
    )
    for messages, key in zip(b.model.asked, b.model.keys, strict=True):
        user = next(m.text for m in messages if m.type == "human")
        assert key == f"llm_api_key-of-{user}-0"
