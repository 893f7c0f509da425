"""An answer in the form that its caller requests: what fits, what is requested again, what is an error."""

import json
import logging
from typing import Any

import pytest
from langchain.agents.middleware import PIIMiddleware
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.graph import END
from langgraph.runtime import Runtime

from graph.answer_form import AnswerForm
from graph.build import build_graph
from graph.context import AgentContext
from graph.error_codes import AnswerFormError, GraphCode
from graph.extensions import Extensions
from graph.nodes.operator_code import NodeContext
from graph.parts import GraphParts
from identity.secrets.secret import Secret
from tests.graph.bench import Bench, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import calls

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "canary-of-the-schema"},
        "days": {"type": "array", "items": {"type": "object", "properties": {"high": {"type": "integer"}}}},
    },
    "required": ["city"],
    "additionalProperties": False,
}
FITS = json.dumps({"city": "Hangzhou", "days": [{"high": 31}]})
MISFIT = json.dumps({"city": "Hangzhou", "days": [{"high": 31}, {"high": "hot"}]})


def context(form: AnswerForm, *, streaming: bool = False) -> AgentContext:
    return AgentContext(Secret("alice-at"), streaming=streaming, extensions=Extensions(form))


async def answer(agent: Bench, form: AnswerForm | None = None, text: str = "Weather?") -> AIMessage:
    """The last message of the run."""
    asked = {"messages": [("user", text)]}
    result = await agent.graph.ainvoke(asked, context=context(form or AnswerForm(SCHEMA)))
    last = result["messages"][-1]
    assert isinstance(last, AIMessage)
    return last


async def test_answer_that_fits_is_the_json_alone_after_tools() -> None:
    turns = [calls(("echo", {}), text="Let me look."), AIMessage(f" {FITS}\n")]
    agent = bench(turns, EchoService("echo", echo="ok"))
    asked = {"messages": [("user", "Weather?")]}
    result = await agent.graph.ainvoke(asked, context=context(AnswerForm(SCHEMA)))
    _, called, found, last = result["messages"]
    assert (called.text, isinstance(found, ToolMessage), last.text) == ("", True, FITS)
    assert agent.model.tools[0]
    for prompt in agent.model.asked:
        first = prompt[0]
        assert isinstance(first, SystemMessage)
        assert json.dumps(SCHEMA) in first.text


@pytest.mark.parametrize("text", [f"```json\n{FITS}\n```", f"```\n{FITS}\n```"])
async def test_code_fence_around_the_answer_is_taken_off(text: str) -> None:
    assert (await answer(bench([AIMessage(text)]))).text == FITS


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (MISFIT, "$.days[1].high"),
        ('{"days": []}', "$.city"),
        ('{"city": "x", "more": 1}', "$.more"),
        ("It is sunny.", "$"),
        ("[]", "$"),
        ('{"city": "a", "city": "b"}', "$"),
        ("", "$"),
    ],
)
async def test_answer_that_does_not_fit_is_requested_once_more_with_its_place(text: str, place: str) -> None:
    used = {"input_tokens": 10, "output_tokens": 2, "total_tokens": 12}
    agent = bench(
        [AIMessage(text, usage_metadata=used), AIMessage(FITS, usage_metadata=used)],
        EchoService("echo", echo="ok"),
    )
    last = await answer(agent)
    assert last.text == FITS
    assert last.usage_metadata
    assert last.usage_metadata["total_tokens"] == 24
    *_, wrong, correction = agent.model.asked[1]
    assert isinstance(correction, HumanMessage)
    assert (wrong.text, f"at {place}," in correction.text) == (text or "(nothing)", True)
    assert [bool(tools) for tools in agent.model.tools] == [True, False]


async def test_answer_that_does_not_fit_twice_is_an_error_with_its_place() -> None:
    agent = bench([AIMessage(MISFIT)])
    with pytest.raises(AnswerFormError) as caught:
        await answer(agent)
    error = caught.value
    assert (error.code, error.place) == (GraphCode.ANSWER_DOES_NOT_FIT, "$.days[1].high")
    assert len(agent.model.asked) == 2


@pytest.mark.promise("no-secret-leaves")
async def test_neither_log_nor_error_has_anything_of_the_schema(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AnswerFormError) as caught:
        await answer(bench([AIMessage("{}")]))
    shown = f"{caught.value} {caught.value.detail} {caught.value.__notes__} {AnswerForm(SCHEMA)!r}"
    assert "canary" not in f"{shown} {caplog.text}"
    assert "city" not in f"{shown} {caplog.text}"


async def test_any_object_fits_without_a_schema() -> None:
    agent = bench([AIMessage("sunny"), AIMessage('{"any": 1}')])
    assert (await answer(agent, AnswerForm())).text == '{"any": 1}'


async def test_answer_that_was_cut_off_stays_as_it_is_because_its_end_says_so() -> None:
    cut = AIMessage('{"city": "Hang', response_metadata={"finish_reason": "length"})
    agent = bench([cut])
    last = await answer(agent)
    assert (last.text, last.response_metadata["finish_reason"]) == ('{"city": "Hang', "length")
    assert len(agent.model.asked) == 1


async def test_streamed_answer_is_shown_once_it_fits() -> None:
    turns = [calls(("echo", {}), text="Let me look."), AIMessage(MISFIT), AIMessage(FITS)]
    stream = bench(turns, EchoService("echo", echo="ok")).graph.astream(
        {"messages": [("user", "Weather?")]},
        context=context(AnswerForm(SCHEMA), streaming=True),
        stream_mode="custom",
    )
    texts = [event["text"] async for event in stream if event["type"] == "content"]
    assert texts == [FITS]


OTHER = json.dumps({"city": "Ningbo"})


def ending_with(node: Any, **options: Any) -> Bench:
    """A graph whose node `own` follows the model's answer, which fits."""

    def build(parts: GraphParts) -> Any:
        graph = build_graph(parts, last="own")
        graph.add_node("own", node)
        graph.add_edge("own", END)
        return graph

    return bench([AIMessage(FITS)], build=build, **options)


def saying(*texts: str) -> Any:
    """A node whose first text replaces the model's answer; one that is empty does not."""

    def own(state: Any) -> dict[str, Any]:
        ids = [state["messages"][-1].id, *map(str, range(len(texts)))]
        return {
            "messages": [AIMessage(text, id=name) for text, name in zip(texts, ids, strict=False) if text]
        }

    return own


async def shown_texts(agent: Bench) -> list[str]:
    """The pieces of text that the run shows, also if it fails."""
    stream = agent.graph.astream(
        {"messages": [("user", "Weather?")]},
        context=context(AnswerForm(SCHEMA), streaming=True),
        stream_mode="custom",
    )
    texts: list[str] = []
    try:
        async for event in stream:
            texts += [event["text"]] if event["type"] == "content" else []
    except AnswerFormError:
        texts.append("failed")
    return texts


@pytest.mark.parametrize(
    ("texts", "place"),
    [(["Ask HR."], "$"), ([MISFIT], "$.days[1].high"), (["", OTHER], "$"), ([OTHER, OTHER], "$")],
    ids=["no JSON", "misfit", "beside the answer", "two"],
)
async def test_message_of_an_own_node_that_is_not_the_one_answer_in_form_is_an_error(
    texts: list[str], place: str
) -> None:
    agent = ending_with(saying(*texts))
    with pytest.raises(AnswerFormError) as caught:
        await answer(agent)
    assert caught.value.place == place
    assert await shown_texts(ending_with(saying(*texts))) == [FITS, "failed"]


async def test_own_node_may_replace_the_answer_by_another_one_in_form() -> None:
    fenced = f"```json\n{OTHER}\n```"
    assert (await answer(ending_with(saying(fenced)))).text == OTHER


async def test_what_an_own_node_asks_is_shown_once_it_is_an_answer_in_form() -> None:
    async def own(_: Any, runtime: Runtime[NodeContext]) -> dict[str, Any]:
        return {"messages": await runtime.context.ask([("user", "Weather?")], shown=True)}

    def build(parts: GraphParts) -> Any:
        graph = build_graph(parts, first="own")
        graph.add_node("own", own)
        graph.add_edge("own", END)
        return graph

    assert await shown_texts(bench([AIMessage(MISFIT)], build=build)) == ["failed"]
    assert await shown_texts(bench([AIMessage(FITS)], build=build)) == [FITS]


async def test_hooks_of_middleware_are_around_both_requests() -> None:
    def build(parts: GraphParts) -> Any:
        return build_graph(parts, middleware=[PIIMiddleware("email")])

    agent = bench([AIMessage("no"), AIMessage(FITS)], build=build)
    assert (await answer(agent, text="Write to a@example.com")).text == FITS
    assert [prompt[1].text for prompt in agent.model.asked] == ["Write to [REDACTED_EMAIL]"] * 2
    assert "example.com" not in str(agent.model.asked[1][0].text)
