"""LangChain's published middleware around the model: what it chooses of tools and models, and its bounds."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from langchain.agents.middleware import (
    LLMToolSelectorMiddleware,
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    PIIMiddleware,
    after_model,
    wrap_model_call,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from pydantic import PrivateAttr

from graph.build import build_graph
from graph.call_measures import CallMeasures
from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.limits import Limits
from graph.models.provider import ChatModelProvider
from graph.nodes.operator_code import GraphDefinitionError
from graph.parts import GraphParts
from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.audit.event import AuditedAction
from identity.audit.trail import AuditTrail
from identity.errors import AuditError, InternalError, ServiceError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.audit_records import AuditRecords
from tests.graph.bench import AMAP_KEY, bench
from tests.graph.conftest import Serve
from tests.graph.echo_service import EchoService
from tests.graph.memory_seams import Tokens
from tests.graph.models.qwen_wire import chunk, usage_chunk
from tests.graph.models.wire_model import WireModel
from tests.graph.nodes.test_custom_nodes import reachable
from tests.graph.scripted_model import DONE, ScriptedModel, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

FAILED = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 503", status=503)
SELECTION = "ToolSelectionResponse"
"""The schema by which `LLMToolSelectorMiddleware` asks."""


def using(*middleware: Any, **options: Any) -> Callable[[GraphParts], Any]:
    return lambda parts: build_graph(parts, middleware=middleware, **options)


def selected(*tools: str) -> AIMessage:
    return calls((SELECTION, {"tools": list(tools)}))


class OwnModel(BaseChatModel):
    """A chat model of the operator's with the forms of another vendor. It takes no key of the agent's."""

    turns: list[Any]
    model_name: str = "claude"
    pieces: bool = False
    """Whether it streams."""
    _asked: list[Any] = PrivateAttr(default_factory=list)
    _options: list[dict[str, Any]] = PrivateAttr(default_factory=list)

    @property
    def asked(self) -> list[Any]:
        return self._asked

    @property
    def options(self) -> list[dict[str, Any]]:
        return self._options

    @property
    def _llm_type(self) -> str:
        return "own"

    def _should_stream(self, **options: Any) -> bool:
        return self.pieces and super()._should_stream(**options)

    def bind_tools(self, tools: Sequence[Any], **options: Any) -> Any:
        return self.bind(tools=tools, **options)

    def _turn(self, messages: Any, options: dict[str, Any]) -> AIMessage:
        self._asked.append(messages)
        self._options.append(options)
        turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        if isinstance(turn, Exception):
            raise turn
        end = {"stop_reason": "tool_use" if turn.tool_calls else "end_turn"}
        return turn.model_copy(update={"id": None, "response_metadata": end | turn.response_metadata})

    def _generate(self, messages: Any, *_: Any, **options: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._turn(messages, options))])

    async def _astream(self, messages: Any, *_: Any, **options: Any) -> Any:
        turn = self._turn(messages, options)
        for word in str(turn.text).split():
            yield ChatGenerationChunk(message=AIMessageChunk(f"{word} "))
        yield ChatGenerationChunk(message=AIMessageChunk("", response_metadata=turn.response_metadata))


def offered(model: OwnModel) -> list[list[str]]:
    """The names of the tools that it was offered, by request."""
    return [[tool["function"]["name"] for tool in each.get("tools", ())] for each in model.options]


class Employees(Tokens):
    """The group of everybody is what follows their name in their token: `alice-finance`."""

    async def verify(self, token: Secret) -> VerifiedAccessToken:
        verified = await super().verify(token)
        return assume_verified(
            principal=verified.principal,
            audience=verified.audience,
            scopes=verified.scopes,
            expires_at=verified.expires_at,
            fingerprint=verified.fingerprint,
            token=token,
            claims={"groups": (token.reveal().partition("-")[2],)},
        )


@pytest.fixture
def records() -> AuditRecords:
    return AuditRecords([AuditedAction.MODEL_CALL])


@pytest.fixture
def services() -> list[EchoService]:
    return [EchoService("amap", weather="sunny", route="left"), EchoService("enterprise", greet="hi")]


async def test_published_selector_chooses_tools_with_the_agents_model_on_record(
    services: Any, records: AuditRecords
) -> None:
    turns = [selected("weather"), calls(("weather", {})), selected("greet"), DONE]
    selector = LLMToolSelectorMiddleware(max_tools=1)
    b = bench(turns, *services, build=using(selector), audit=AuditTrail(records), name="qwen-plus")
    _, result, answer = await b.ask("How is the weather?")
    assert (result.text, answer.text) == ("sunny", "done")
    assert b.model.tools == [[SELECTION], ["weather"], [SELECTION], ["greet"]]
    assert [each.text for each in b.model.asked[0][1:]] == ["How is the weather?"]
    assert b.model.keys == ["llm_api_key-of-machine-0"] * 4
    assert [event.model for event in records.events] == ["qwen-plus"] * 4


@pytest.mark.promise("model-cannot-steer")
async def test_call_of_a_tool_that_hooks_did_not_choose_is_refused(services: Any) -> None:
    selector = LLMToolSelectorMiddleware(max_tools=1)
    b = bench([selected("weather"), calls(("greet", {})), selected(), DONE], *services, build=using(selector))
    _, result, _ = await b.ask()
    assert (result.status, result.text) == ("error", 'the tool "greet" was not chosen for this request')
    assert services[1].calls == []


async def test_hook_chooses_tools_by_the_callers_groups(services: Any) -> None:
    @wrap_model_call
    async def of_finance(request: Any, handler: Any) -> Any:
        groups = request.runtime.context.caller.groups
        allowed = {"weather"} if "finance" in groups else {"greet"}
        return await handler(request.override(tools=[each for each in request.tools if each.name in allowed]))

    b = bench([DONE], *services, build=using(of_finance), verifier=Employees())
    await b.ask(token="alice-finance")
    await b.ask(token="bob-sales")
    assert b.model.tools == [["weather"], ["greet"]]


async def test_tools_that_hooks_see_are_those_that_the_model_gets_in_their_order(services: Any) -> None:
    seen: list[Any] = []

    @wrap_model_call
    async def reversing(request: Any, handler: Any) -> Any:
        seen.extend(request.tools)
        return await handler(request.override(tools=[*reversed(request.tools), request.tools[0]]))

    services[0].schemas[0] = replace(
        services[0].schemas[0], parameters={"type": "object", "properties": {"city": {"type": "string"}}}
    )
    b = bench([DONE], *services, build=using(reversing))
    await b.ask()
    assert [(each.name, each.description) for each in seen] == [
        (name, f"The tool {name}.") for name in ("weather", "route", "greet")
    ]
    assert seen[0].args_schema["properties"] == {"city": {"type": "string"}}
    assert b.model.tools == [["weather", "route", "greet"]]
    with pytest.raises(NotImplementedError, match="only the model calls tools"):
        await seen[0].ainvoke({"city": "Ulm"})


@tool
def pay_out(amount: int) -> str:
    """Pays."""
    return str(amount)


def adds(tools: list[Any]) -> list[Any]:
    return [*tools, pay_out]


def adds_a_tool_of_the_provider(tools: list[Any]) -> list[Any]:
    return [*tools, {"type": "web_search"}]


def adds_what_is_no_tool(tools: list[Any]) -> list[Any]:
    return [*tools, {"function": "pay_out"}]


def describes(tools: list[Any]) -> list[Any]:
    return [tools[0].model_copy(update={"description": "Pays."})]


def changes_in_place(tools: list[Any]) -> list[Any]:
    tools[0].args_schema["properties"]["amount"] = {"type": "integer"}
    return tools


def replaces(tools: list[Any]) -> list[Any]:
    return [pay_out.model_copy(update={"name": tools[0].name})]


@pytest.mark.promise("model-cannot-steer")
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (adds, "must not add a tool"),
        (adds_a_tool_of_the_provider, "must not add a tool"),
        (adds_what_is_no_tool, "must not add a tool"),
        (describes, 'must not change the tool "weather"'),
        (changes_in_place, 'must not change the tool "weather"'),
        (replaces, 'must not change the tool "weather"'),
    ],
)
async def test_hook_that_adds_or_changes_a_tool_ends_the_run_with_the_reason(
    services: Any, change: Callable[[list[Any]], list[Any]], fault: str
) -> None:
    @wrap_model_call
    async def changing(request: Any, handler: Any) -> Any:
        return await handler(request.override(tools=change(request.tools)))

    b = bench([DONE], *services, build=using(changing))
    with pytest.raises(InternalError, match="graph_node_failed") as caught:
        await b.ask()
    assert fault in caught.value.detail
    assert b.model.asked == []
    assert services[0].schemas[0].parameters == {"type": "object", "properties": {}}


async def test_model_that_a_hook_puts_in_gets_the_tools_and_its_calls_pass_the_gate(
    services: Any, records: AuditRecords
) -> None:
    services[0].policies = {"route": ToolPolicy(Effect.WRITE, ApprovalMode.DENY)}
    used = {"input_tokens": 7, "output_tokens": 5, "total_tokens": 12}
    requested = calls(("weather", {}), ("route", {}), ("unknown", {}))
    said = AIMessage([{"type": "text", "text": "Sunny"}, {"type": "text", "text": " there"}])
    own = OwnModel(turns=[requested.model_copy(update={"usage_metadata": used}), said])
    b = bench(
        [FAILED],
        *services,
        build=using(ModelFallbackMiddleware(own)),
        audit=AuditTrail(records),
        calls=(measures := CallMeasures()),
        name="qwen-plus",
    )
    _, unknown, *results, answer = await b.ask()
    weather, route = sorted(results, key=lambda each: each.name, reverse=True)
    assert (weather.text, answer.content) == ("sunny", "Sunny there")
    assert "denies" in route.text
    assert unknown.text == 'there is no tool "unknown"'
    assert [call[0] for call in services[0].calls] == ["weather"]
    assert offered(own) == [["weather", "route", "greet"]] * 2
    assert own.asked[0][0].text.startswith("You are an enterprise assistant.")
    assert [(event.model, event.outcome.value, event.input_tokens) for event in records.events] == [
        ("qwen-plus", "failed", None),
        ("claude", "succeeded", 7),
        ("qwen-plus", "failed", None),
        ("claude", "succeeded", None),
    ]
    assert measures.input_tokens.values == {("chat", "ownmodel", "claude"): 7}
    assert all("api_key" not in options for options in own.options)


def wire_call(name: str) -> dict[str, Any]:
    return {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": "{}"}}


@pytest.mark.parametrize("streams", [False, True])
async def test_model_that_is_named_by_a_text_responds_by_langchains_own_client(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, services: Any, records: AuditRecords, streams: bool
) -> None:
    called = {"content": None, "tool_calls": [wire_call("weather")]}
    pieces = [chunk({"content": text}) for text in ("It is ", "sunny")]
    service = WireModel([chunk(called, finish_reason="tool_calls"), usage_chunk()], [*pieces, usage_chunk()])
    monkeypatch.setenv("OPENAI_API_KEY", "own-key")
    monkeypatch.setenv("OPENAI_BASE_URL", await serve(service))
    fallback = ModelFallbackMiddleware("openai:gpt-5-mini")
    build = using(fallback, streams=streams)
    b = bench([FAILED], *services, build=build, audit=AuditTrail(records), name="qwen-plus")
    if streams:
        assert texts(await b.events()) == ["It is ", "sunny"]
    else:
        assert [each.text for each in await b.ask()] == ["", "sunny", "It is sunny"]
    assert [call[0] for call in services[0].calls] == ["weather"]
    assert service.keys == ["own-key"] * 2
    offered_tools = [tool["function"]["name"] for tool in service.requests[0]["tools"]]
    assert offered_tools == ["weather", "route", "greet"]
    assert [(event.model, event.input_tokens) for event in records.events if event.input_tokens] == [
        ("gpt-5-mini", 20),
        ("gpt-5-mini", 20),
    ]


@pytest.mark.promise("no-secret-leaves")
async def test_model_of_a_hooks_own_gets_no_credential_of_the_run(services: Any) -> None:
    @wrap_model_call
    async def own_model(request: Any, handler: Any) -> Any:
        return await handler(request.override(model=own))

    own = OwnModel(turns=[DONE])
    b = bench([DONE], *services, build=using(own_model))
    await b.ask()
    texts = reachable([own.asked, own.options])
    assert "hello" in texts
    assert [text for text in texts if "alice-at" in text or "-of-machine" in text] == []
    assert b.model.asked == []


@pytest.mark.promise("no-secret-leaves")
async def test_request_that_hooks_get_leads_to_no_secret_of_the_run() -> None:
    seen: list[Any] = []

    @wrap_model_call
    async def seeing(request: Any, handler: Any) -> Any:
        seen.extend([request, request.model, request.tools])
        response = await handler(request)
        seen.append(response)
        return response

    service = EchoService("amap", AMAP_KEY, weather="sunny")
    turns = [calls(("weather", {})), DONE]
    b = bench(turns, service, build=using(seeing), access_identity=AccessIdentity.HUMAN)
    await b.ask()
    texts = reachable(seen)
    assert {"weather", "hello"} <= set(texts)
    assert [text for text in texts if "alice-at" in text or "-of-alice" in text] == []


async def test_group_has_another_model_of_the_provider_by_the_same_key(records: AuditRecords) -> None:
    others: dict[str, ScriptedModel] = {}

    def named(name: str) -> ChatModelProvider:
        others[name] = ScriptedModel(turns=[AIMessage(f"I am {name}")])
        return ChatModelProvider(others[name])

    def build(parts: GraphParts) -> Any:
        large = parts.model("qwen-max")

        @wrap_model_call
        async def by_group(request: Any, handler: Any) -> Any:
            is_finance = "finance" in request.runtime.context.caller.groups
            return await handler(request.override(model=large) if is_finance else request)

        return build_graph(parts, middleware=[by_group])

    options = {"name": "qwen-plus", "named": named, "verifier": Employees(), "audit": AuditTrail(records)}
    b = bench([AIMessage("I am the default")], build=build, **options)
    assert [(await b.ask(token=f"alice-{group}"))[-1].text for group in ("finance", "sales")] == [
        "I am qwen-max",
        "I am the default",
    ]
    assert others["qwen-max"].keys == b.model.keys == ["llm_api_key-of-machine-0"]
    assert [event.model for event in records.events] == ["qwen-max", "qwen-plus"]
    assert {event.credential for event in records.events} == {"llm_api_key"}


@pytest.mark.parametrize("fails", [FAILED, ServiceError(GraphCode.MODEL_CALL_FAILED, "429", status=429)])
async def test_published_fallback_asks_another_model_of_the_provider_on_record(
    fails: ServiceError, services: Any, records: AuditRecords
) -> None:
    second = ScriptedModel(turns=[calls(("weather", {})), DONE])

    def build(parts: GraphParts) -> Any:
        return build_graph(parts, middleware=[ModelFallbackMiddleware(parts.model("qwen-max"))])

    options = {"name": "qwen-plus", "named": lambda _: ChatModelProvider(second)}
    b = bench([fails], *services, build=build, audit=AuditTrail(records), **options)
    _, result, answer = await b.ask()
    assert (result.text, answer.text) == ("sunny", "done")
    assert second.tools == [["weather", "route", "greet"]] * 2
    assert [(event.model, event.outcome.value) for event in records.events] == [
        ("qwen-plus", "failed"),
        ("qwen-max", "succeeded"),
    ] * 2


async def test_selector_asks_another_model_of_the_provider_by_the_same_key(services: Any) -> None:
    small = ScriptedModel(turns=[selected("greet")])

    def build(parts: GraphParts) -> Any:
        return build_graph(parts, middleware=[LLMToolSelectorMiddleware(model=parts.model("qwen-turbo"))])

    b = bench([DONE], *services, build=build, named=lambda _: ChatModelProvider(small))
    await b.ask()
    assert (small.tools, b.model.tools) == ([[SELECTION]], [["greet"]])
    assert small.keys == b.model.keys


async def test_graph_whose_provider_has_one_model_names_no_other() -> None:
    with pytest.raises(GraphDefinitionError, match="one model"):
        bench([DONE], build=lambda parts: build_graph(parts, middleware=[parts.model("qwen-max")]))


async def test_model_of_the_agent_is_asked_by_its_hooks_alone() -> None:
    kept: list[Any] = []

    @wrap_model_call
    async def keeping(request: Any, handler: Any) -> Any:
        kept.append(request.model)
        return await handler(request)

    b = bench([DONE], build=using(keeping))
    await b.ask()
    with pytest.raises(RuntimeError, match="while they run"):
        await kept[0].ainvoke("hello")


@pytest.mark.promise("model-cannot-steer")
@pytest.mark.parametrize(
    ("reported", "shown"),
    [
        ({"stop_reason": "max_tokens"}, "cut"),
        ({"finish_reason": "SAFETY"}, "cut"),
        ({"stop_reason": None, "status": "incomplete"}, "cut"),
        ({"stop_reason": None}, None),
        ({"stop_reason": "pause_turn"}, None),
    ],
)
async def test_response_of_a_hooks_own_model_is_whole_or_without_calls_or_a_failure(
    services: Any, reported: dict[str, Any], shown: str | None
) -> None:
    turn = calls(("weather", {}), text="cut").model_copy(update={"response_metadata": reported})
    b = bench([FAILED], *services, build=using(ModelFallbackMiddleware(OwnModel(turns=[turn]))))
    if shown is None:
        with pytest.raises(ServiceError, match="model_call_failed"):
            await b.ask()
    else:
        [answer] = await b.ask()
        assert (answer.text, answer.tool_calls) == (shown, [])
    assert services[0].calls == []


async def test_failure_of_a_hooks_own_model_is_one_of_the_model_without_its_text() -> None:
    class RefusedError(Exception):
        status_code = 403

    b = bench([FAILED], build=using(ModelFallbackMiddleware(OwnModel(turns=[RefusedError("sk-canary")]))))
    with pytest.raises(ServiceError) as caught:
        await b.ask()
    error = caught.value
    assert (error.code, error.status) == (GraphCode.MODEL_CALL_FAILED, 403)
    assert error.detail.startswith("the model of middleware raised RefusedError at test_model_hooks.py:")
    assert error.__context__ is None


async def test_hooks_own_model_must_respond_in_time() -> None:
    class Hanging(OwnModel):
        async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
            await asyncio.Event().wait()
            raise AssertionError

    own = Hanging(turns=[DONE])
    b = bench([FAILED], build=using(ModelFallbackMiddleware(own)), limits=Limits(model_seconds=0.01))
    with pytest.raises(ServiceError, match="model_call_failed") as caught:
        await b.ask()
    assert caught.value.detail == "no complete response within 0.01 s"


@pytest.mark.promise("on-record")
async def test_fallback_cannot_hide_that_the_call_of_its_own_model_was_not_recorded() -> None:
    records = AuditRecords([AuditedAction.MODEL_CALL], breaks_at=1)
    fallback = ModelFallbackMiddleware(OwnModel(turns=[DONE]), OwnModel(turns=[DONE]))
    b = bench([FAILED], build=using(fallback), audit=AuditTrail(records))
    with pytest.raises(AuditError):
        await b.ask()


@wrap_model_call
async def sets_settings(request: Any, handler: Any) -> Any:
    return await handler(request.override(model_settings={"temperature": 1}))


@wrap_model_call
async def sets_a_choice(request: Any, handler: Any) -> Any:
    return await handler(request.override(tool_choice="any"))


@wrap_model_call
async def sets_a_format(request: Any, handler: Any) -> Any:
    return await handler(request.override(response_format=Limits))


@wrap_model_call
async def puts_in_no_chat_model(request: Any, handler: Any) -> Any:
    return await handler(request.override(model=request.model.bind(stop=["x"])))


@pytest.mark.parametrize(
    ("middleware", "fault"),
    [
        (sets_settings, "must not set options of the agent's model"),
        (sets_a_choice, "must not set options of the agent's model"),
        (sets_a_format, "must not set a response format"),
        (puts_in_no_chat_model, "must be a chat model of LangChain"),
    ],
)
async def test_what_hooks_must_not_set_of_a_request_is_named(middleware: Any, fault: str) -> None:
    b = bench([DONE], EchoService("amap", weather="sunny"), build=using(middleware))
    with pytest.raises(InternalError) as caught:
        await b.ask()
    assert fault in caught.value.detail
    assert b.model.asked == []


async def test_own_model_gets_the_options_that_its_hook_sets(services: Any) -> None:
    own = OwnModel(turns=[DONE])

    @wrap_model_call
    async def with_options(request: Any, handler: Any) -> Any:
        options = {"model_settings": {"temperature": 1}, "tool_choice": "any"}
        return await handler(request.override(model=own, **options))

    b = bench([DONE], *services, build=using(with_options))
    await b.ask()
    assert (own.options[0]["temperature"], own.options[0]["tool_choice"]) == (1, "any")


def texts(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["text"] for event in events if event["type"] == "content"]


@pytest.mark.parametrize("own", [False, True])
async def test_response_is_shown_as_it_arrives_if_the_hooks_leave_it(own: bool) -> None:
    fallback = OwnModel(turns=[AIMessage("It is sunny")], pieces=True)
    middleware = [ModelFallbackMiddleware(fallback)]
    b = bench([FAILED if own else AIMessage("It is sunny")], build=using(*middleware, streams=True))
    assert texts(await b.events()) == ["It ", "is ", "sunny "]
    whole = bench([FAILED if own else AIMessage("It is sunny")], build=using(*middleware))
    assert "".join(texts(await whole.events())).strip() == "It is sunny"
    assert len(texts(await whole.events())) == 1


async def test_each_piece_belongs_to_the_message_that_the_conversation_keeps() -> None:
    b = bench([AIMessage("It is sunny")], build=using(ModelRetryMiddleware(), streams=True))
    context = AgentContext(Secret("alice-at"), streaming=True, steps=True)
    question = {"messages": [("user", "hello")]}
    modes = ["custom", "values"]
    parts = [part async for part in b.graph.astream(question, context=context, stream_mode=modes)]
    started = [part["message_id"] for mode, part in parts if mode == "custom" and "message_id" in part]
    assert started == [parts[-1][1]["messages"][-1].id]


async def test_langgraphs_stream_of_messages_shows_the_pieces_and_nothing_that_a_hook_asks() -> None:
    selector = LLMToolSelectorMiddleware()
    services = EchoService("amap", weather="sunny")
    b = bench([selected("weather"), AIMessage("It is sunny")], services, build=using(selector, streams=True))
    stream = b.graph.astream(
        {"messages": [("user", "hello")]}, context=AgentContext(Secret("alice-at")), stream_mode="messages"
    )
    shown = [message.text async for message, _ in stream if message.type != "human"]
    assert [text for text in shown if text] == ["It ", "is ", "sunny "]


async def test_no_other_model_responds_once_a_piece_was_shown() -> None:
    class Failing(ScriptedModel):
        async def _astream(self, *given: Any, **options: Any) -> Any:
            async for first in super()._astream(*given, **options):
                yield first
                raise FAILED

    other = OwnModel(turns=[DONE])
    b = bench(Failing(turns=[DONE]), build=using(ModelFallbackMiddleware(other), streams=True))
    shown: list[Any] = []
    context = AgentContext(Secret("alice-at"), streaming=True, writer=shown.append)
    with pytest.raises(ServiceError, match="model_call_failed"):
        await b.graph.ainvoke({"messages": [("user", "hello")]}, context=context)
    assert (texts(shown), other.asked) == (["done "], [])


async def test_hook_that_asks_again_after_a_response_was_shown_ends_the_run() -> None:
    @wrap_model_call
    async def insists(request: Any, handler: Any) -> Any:
        try:
            await handler(request)
        except ServiceError:
            await handler(request)
        return await handler(request)

    b = bench([FAILED, AIMessage("It is sunny")], build=using(insists, streams=True))
    with pytest.raises(InternalError) as caught:
        await b.events()
    assert "must not ask again once a response is shown" in caught.value.detail


async def test_hook_that_changes_a_response_which_was_shown_ends_the_run() -> None:
    @wrap_model_call
    async def signs(request: Any, handler: Any) -> Any:
        response = await handler(request)
        return AIMessage(f"{response.result[0].text} (signed)")

    b = bench([DONE], build=using(signs, streams=True))
    with pytest.raises(InternalError) as caught:
        await b.events()
    assert "must not change a response that is shown as it arrives" in caught.value.detail
    assert [each.text for each in await b.ask()] == ["done (signed)"]  # a surface that does not stream


def test_middleware_that_reads_the_response_is_refused_where_it_is_shown_as_it_arrives() -> None:
    @after_model
    def reads(state: Any, runtime: Any) -> None:
        pass

    for middleware in (reads, PIIMiddleware("email", apply_to_output=True)):
        with pytest.raises(GraphDefinitionError, match="has after_model, which gets a whole response"):
            bench([DONE], build=using(middleware, streams=True))
    bench([DONE], build=using(PIIMiddleware("email"), streams=True))
