"""A response of the model: what is returned of it, and what its record, its spans and its measures show."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from agent.errors.error_codes import AgentCode
from graph.call_measures import CallMeasures
from graph.error_codes import GraphCode
from graph.models.piece import Piece
from graph.models.provider import ChatModelProvider
from graph.nodes.model_calls import ModelCall, ModelCalls, message_content
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditedAction
from identity.audit.trail import AuditTrail
from identity.errors import LimitError, ServiceError
from identity.observation.span import RecordedSpan
from identity.secrets.secret import Secret
from tests.audit_records import AuditRecords
from tests.graph.memory_seams import Tokens
from tests.graph.scripted_model import ScriptedModel
from tests.until import until

KEY = Secret("sk-canary")
REFUSED = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 401", status=401)
FAILED = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 503", status=503)
WHOLE = AIMessage(
    "Sunny",
    additional_kwargs={"reasoning_content": "Hm"},
    response_metadata={"finish_reason": "stop"},
    id="m1",
)


class Provider:
    """Streams `pieces` to its reader, and ends with `end`. One of no pieces does not stream."""

    def __init__(self, end: AIMessage | Exception | None, *pieces: Piece) -> None:
        self.end = end
        self.pieces = pieces

    async def complete(self, *_: Any, reader: Any = None, **__: Any) -> Any:
        if reader is not None and self.pieces:
            await reader.begin("m1")
            for piece in self.pieces:
                await reader.read(piece)
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    async def aclose(self) -> None: ...


def calls_of(model: Provider, records: AuditRecords | None = None) -> ModelCalls:
    return ModelCalls(model, "qwen-plus", None, AuditTrail(records), CallMeasures(), 5)


async def request(model: Provider, *, stream: bool) -> tuple[AIMessage | ServiceError, list[Any]]:
    written: list[Any] = []
    writer = written.append if stream else None
    return await calls_of(model).request(
        ModelCall([HumanMessage("hi")], [], writer, announced=True), KEY
    ), written


@pytest.mark.parametrize("stream", [False, True])
async def test_key_refused_before_any_piece_is_returned(stream: bool) -> None:
    assert await request(Provider(REFUSED), stream=stream) == (REFUSED, [])


@pytest.mark.parametrize(
    ("failure", "pieces"), [(REFUSED, [Piece("Sun")]), (REFUSED, [Piece()]), (FAILED, [])]
)
async def test_key_refused_after_a_piece_and_any_other_status_is_raised(
    failure: ServiceError, pieces: list[Piece]
) -> None:
    with pytest.raises(ServiceError) as caught:
        await request(Provider(failure, *pieces), stream=True)
    assert caught.value is failure


PIECES = (Piece("", "Hm"), Piece("Sun"), Piece("ny"))


@pytest.mark.parametrize(
    ("pieces", "texts"), [(PIECES, ["Sun", "ny"]), ((), ["Sunny"])], ids=["streamed", "not streamed"]
)
async def test_pieces_are_written(pieces: tuple[Piece, ...], texts: list[str]) -> None:
    response, written = await request(Provider(WHOLE, *pieces), stream=True)
    assert response is WHOLE
    assert written == [
        {"type": "response_started", "message_id": "m1"},
        {"type": "reasoning", "text": "Hm"},
        *({"type": "content", "text": text} for text in texts),
    ]


async def test_provider_without_a_message_is_a_failure() -> None:
    with pytest.raises(ServiceError, match="model_call_failed") as caught:
        await request(Provider(None), stream=True)
    assert caught.value.detail == "the response was empty"


@pytest.mark.promise("model-cannot-steer")
@pytest.mark.parametrize("stream", [False, True])
async def test_response_of_any_provider_is_whole_or_nothing(stream: bool) -> None:
    call = {"name": "pay", "args": {"amount": 50}, "id": "call_1"}
    for finish in (None, "", "eos", 7, ["stop"], "error"):
        message = AIMessage("x", tool_calls=[call], response_metadata={"finish_reason": finish})
        with pytest.raises(ServiceError) as caught:
            await request(Provider(message), stream=stream)
        assert caught.value.code is GraphCode.MODEL_CALL_FAILED
    for finish in ("length", "content_filter"):
        message = AIMessage("x", tool_calls=[call], response_metadata={"finish_reason": finish}, id="m1")
        response, _ = await request(Provider(message), stream=stream)
        assert isinstance(response, AIMessage)
        assert (response.text, response.tool_calls, response.id) == ("x", [], "m1")
        assert response.response_metadata["finish_reason"] == finish


async def test_refused_key_fails_the_request_that_was_sent_with_it(ended_spans: list[RecordedSpan]) -> None:
    records = AuditRecords()
    model = calls_of(Provider(REFUSED), records)
    with pytest.raises(ServiceError):
        await model.response(ModelCall([]), KEY, await Tokens().verify(Secret("alice-at")))
    assert [span.error for span in ended_spans] == ["model_call_failed"]
    assert list(model.measures.inference.values) == [("chat", "openai", "qwen-plus", "model_call_failed")]
    assert [event.error for event in records.events] == [GraphCode.MODEL_CALL_FAILED]


async def test_tokens_are_counted_by_model_and_kind_and_recorded(ended_spans: list[RecordedSpan]) -> None:
    used = {
        "input_tokens": 7,
        "output_tokens": 5,
        "total_tokens": 12,
        "output_token_details": {"reasoning": 2},
    }
    records = AuditRecords()
    model = calls_of(Provider(WHOLE.model_copy(update={"usage_metadata": used})), records)
    for _ in range(2):
        await model.response(ModelCall([]), KEY, await Tokens().verify(Secret("alice-at")))
    measures = model.measures
    counters = (measures.input_tokens, measures.output_tokens, measures.reasoning_tokens)
    by_model = ("chat", "openai", "qwen-plus")
    assert [counter.values for counter in counters] == [{by_model: count} for count in (14, 10, 4)]
    assert [(event.action, event.input_tokens, event.output_tokens) for event in records.events] == [
        (AuditedAction.MODEL_CALL, 7, 5)
    ] * 2
    assert [span.name for span in ended_spans] == ["chat qwen-plus"] * 2


def test_messages_have_the_conventions_form_without_the_key() -> None:
    messages = [
        HumanMessage(f"My key is {KEY.reveal()}"),
        AIMessage(
            "Wait",
            additional_kwargs={"reasoning_content": "Hm"},
            tool_calls=[{"name": "pay", "args": {"amount": 7}, "id": "1"}],
        ),
        ToolMessage("paid", tool_call_id="1"),
    ]
    assert message_content(messages, [KEY]) == (
        '[{"role": "user", "parts": [{"type": "text", "content": "My key is **redacted**"}]}, '
        '{"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm"}, '
        '{"type": "text", "content": "Wait"}, '
        '{"type": "tool_call", "id": "1", "name": "pay", "arguments": {"amount": 7}}]}, '
        '{"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": "paid"}]}]'
    )


class Reservation:
    """Counts in `budget`, in place of the prompt that it has reserved."""

    def __init__(self, budget: "Budget", subject: str, model: str, tokens: int) -> None:
        self.budget = budget
        self.members = subject, model
        self.tokens = tokens
        budget.reserved.append(self)

    async def settle(self, used: UsageMetadata) -> None:
        self.budget.settling.set()
        await self.budget.may_settle.wait()
        self.budget.reserved.remove(self)
        self.budget.counted.append((*self.members, used["input_tokens"], used["output_tokens"]))


class Budget:
    """Refuses a caller once a response was counted."""

    def __init__(self) -> None:
        self.counted: list[Any] = []
        self.reserved: list[Reservation] = []
        self.settling = asyncio.Event()
        self.may_settle = asyncio.Event()
        self.may_settle.set()

    async def reserve(self, caller: VerifiedAccessToken, model: str, tokens: int) -> Reservation:
        if self.counted:
            raise LimitError(AgentCode.BUDGET_SPENT, "spent")
        return Reservation(self, caller.principal.subject, model, tokens)


@pytest.mark.promise("bounded")
async def test_response_is_counted_for_its_caller_and_the_next_one_is_not_requested() -> None:
    budget, records = Budget(), AuditRecords()
    usage = UsageMetadata(input_tokens=7, output_tokens=5, total_tokens=12)
    model = Provider(WHOLE.model_copy(update={"usage_metadata": usage}))
    calls = replace(calls_of(model, records), budgets=[budget])
    alice = await Tokens().verify(Secret("alice-at"))
    await calls.response(ModelCall([HumanMessage("hi")]), KEY, alice)
    assert budget.counted == [("alice", "qwen-plus", 7, 5)]
    model.end = AssertionError("no response is requested")
    with pytest.raises(LimitError, match="spent"):
        await calls.response(ModelCall([HumanMessage("hi")]), KEY, alice)
    assert records.events[-1].error == "budget_spent"


@pytest.mark.promise("bounded")
async def test_budget_that_refuses_gives_back_what_the_one_before_it_has_reserved() -> None:
    first, spent = Budget(), Budget()
    spent.counted.append("all")
    calls = replace(calls_of(Provider(WHOLE)), budgets=[first, spent])
    with pytest.raises(LimitError):
        await calls.response(ModelCall([]), KEY, await Tokens().verify(Secret("alice-at")))
    assert first.counted == [("alice", "qwen-plus", 0, 0)]


async def counted_with(model: Any, call: ModelCall) -> list[int]:
    """The tokens, in and out, that a budget counts for what `model` makes of `call`."""
    budget = Budget()
    calls = replace(calls_of(model), budgets=[budget])
    with contextlib.suppress(ServiceError):
        await calls.response(call, KEY, await Tokens().verify(Secret("alice-at")))
    [(_, _, read, written)] = budget.counted
    return [read, written]


async def counted(response: AIMessage | Exception, prompt: str = "") -> list[int]:
    """The tokens, in and out, that a budget counts for `response`."""
    return await counted_with(Provider(response), ModelCall([HumanMessage(prompt)]))


@pytest.mark.promise("bounded")
async def test_response_without_token_counts_is_counted_by_its_characters() -> None:
    call = {"name": "pay", "args": {"to": "b" * 4_000}, "id": "call_1"}
    calling = AIMessage("", tool_calls=[call], response_metadata={"finish_reason": "tool_calls"})
    nothing = UsageMetadata(input_tokens=0, output_tokens=0, total_tokens=0)
    for response in (calling, calling.model_copy(update={"usage_metadata": nothing})):
        read, written = await counted(response, "a" * 8_000)
        assert 2_000 <= read < 2_100
        assert 1_000 <= written < 1_100


@pytest.mark.promise("bounded")
async def test_calls_of_a_response_that_was_cut_off_are_counted() -> None:
    call = {"name": "pay", "args": {"to": "b" * 4_000}, "id": "call_1"}
    bad = {"name": "pay", "args": "b" * 4_000, "id": "call_2", "error": None}
    cut = AIMessage(
        "", tool_calls=[call], invalid_tool_calls=[bad], response_metadata={"finish_reason": "length"}
    )
    assert 2_000 <= (await counted(cut))[1] < 2_100


@pytest.mark.promise("bounded")
async def test_token_counts_of_the_service_neither_restore_a_budget_nor_overflow() -> None:
    for reported, read, written in [((-7, 5), 0, 5), ((2**63, 2**70), 10**9, 10**9)]:
        usage = UsageMetadata(input_tokens=reported[0], output_tokens=reported[1], total_tokens=0)
        response = WHOLE.model_copy(update={"usage_metadata": usage})
        assert await counted(response) == [read, written]


@pytest.mark.promise("bounded")
async def test_response_that_fails_at_its_end_is_counted_as_the_service_reports() -> None:
    usage = UsageMetadata(input_tokens=7, output_tokens=5, total_tokens=12)
    failed = AIMessage("x", response_metadata={"finish_reason": "error"}, usage_metadata=usage)
    assert await counted(failed) == [7, 5]


LOST = ServiceError(GraphCode.MODEL_CALL_FAILED, "the connection to the model service failed")


@pytest.mark.promise("bounded")
async def test_response_of_which_nothing_has_arrived_has_used_its_prompt_unless_the_service_refused_it() -> (
    None
):
    read, written = await counted(LOST, "a" * 8_000)
    assert 2_000 <= read < 2_100
    assert written == 0
    assert await counted(FAILED, "a" * 8_000) == [0, 0]


class Endless(ScriptedModel):
    """Sends a call whose arguments have 4,000 characters, and then does what `end` does."""

    end: Callable[[], Awaitable[None]]

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        piece = {"name": "pay", "args": '{"to": "' + "b" * 4_000, "id": "call_1", "index": 0}
        yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=[piece]))
        await self.end()


async def lose_the_connection() -> None:
    raise OSError("the connection is lost")


@pytest.mark.promise("bounded")
async def test_what_had_arrived_of_a_response_that_fails_is_counted() -> None:
    model = ChatModelProvider(lambda _key: Endless(turns=[], end=lose_the_connection))
    read, written = await counted_with(model, ModelCall([HumanMessage("a" * 8_000)], [], lambda _event: None))
    assert 2_000 <= read < 2_100
    assert 1_000 <= written < 1_100


class Whole(ScriptedModel):
    """A published chat model whose response arrives whole."""

    response: AIMessage

    async def _agenerate(self, *_: Any, **__: Any) -> ChatResult:
        info = {"finish_reason": "tool_calls"}
        return ChatResult(generations=[ChatGeneration(message=self.response, generation_info=info)])


async def counted_whole(response: AIMessage) -> list[int]:
    """The tokens, in and out, that a budget counts for `response` of a published chat model."""
    model = ChatModelProvider(lambda _key: Whole(turns=[], response=response))
    return await counted_with(model, ModelCall([HumanMessage("hi")]))


LONG = "b" * 4_000
NOT_STRICT = {"name": "pay", "args": {"to": LONG, "sum": float("nan")}, "id": "call_1"}
NO_JSON = {"name": "pay", "args": {"to": LONG, "sum": object()}, "id": "call_1"}
NOT_PARSED = {"name": "pay", "args": f"{{to: {LONG}", "id": "call_1", "error": None}


@pytest.mark.promise("bounded")
@pytest.mark.parametrize(
    "response",
    [
        AIMessage("", tool_calls=[NOT_STRICT]),
        AIMessage("", tool_calls=[NO_JSON]),
        AIMessage("", invalid_tool_calls=[NOT_PARSED]),
    ],
    ids=["not strict", "no JSON", "not parsed"],
)
async def test_arguments_that_are_dropped_from_a_whole_published_response_are_counted(
    response: AIMessage,
) -> None:
    _, written = await counted_whole(response)
    assert 1_000 <= written < 1_100


@pytest.mark.promise("bounded")
async def test_whole_published_response_that_is_refused_is_counted_as_the_service_reports() -> None:
    usage = UsageMetadata(input_tokens=7, output_tokens=5, total_tokens=12)
    assert await counted_whole(AIMessage("", tool_calls=[NO_JSON], usage_metadata=usage)) == [7, 5]


@pytest.mark.promise("bounded")
async def test_what_had_arrived_of_a_response_that_is_cancelled_twice_is_counted() -> None:
    waiting = asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await asyncio.Event().wait()

    budget = Budget()
    budget.may_settle.clear()
    model = ChatModelProvider(lambda _key: Endless(turns=[], end=wait))
    calls = replace(calls_of(model), budgets=[budget])
    alice = await Tokens().verify(Secret("alice-at"))
    call = ModelCall([HumanMessage("hi")], [], lambda _event: None)
    response = asyncio.create_task(calls.response(call, KEY, alice))
    await waiting.wait()
    [reserved] = budget.reserved
    assert reserved.tokens > 0
    response.cancel()
    await budget.settling.wait()
    response.cancel()
    with pytest.raises(asyncio.CancelledError):
        await response
    budget.may_settle.set()
    await until(lambda: bool(budget.counted))
    [(_, _, read, written)] = budget.counted
    assert read == reserved.tokens
    assert 1_000 <= written < 1_100
