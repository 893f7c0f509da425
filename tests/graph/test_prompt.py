from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from graph.prompt import build_prompt
from tests.graph.tool_calls.test_requested_calls import call


def test_prompt_has_one_system_message_that_begins_with_the_system_prompt() -> None:
    sent = build_prompt(
        "Be exact.",
        [SystemMessage("A"), SystemMessage([{"type": "text", "text": "B"}]), HumanMessage("x")],
        ["N"],
    )
    assert [m.type for m in sent] == ["system", "human"]
    assert sent[0].content == "Be exact.\n\nN\n\nA\n\nB"


def test_later_system_message_stays_in_its_place() -> None:
    assert [m.type for m in build_prompt("Be exact.", [HumanMessage("x"), SystemMessage("A")], [])] == [
        "system",
        "human",
        "system",
    ]


def test_calls_without_a_result_get_one_in_their_place() -> None:
    messages = [
        HumanMessage("x"),
        AIMessage("", tool_calls=[call("1"), call("2")]),
        ToolMessage("r", tool_call_id="1"),
        HumanMessage("y"),
        AIMessage("", tool_calls=[call("3")]),
    ]
    sent = build_prompt("Be exact.", messages, [])
    assert [(m.type, getattr(m, "tool_call_id", None)) for m in sent] == [
        ("system", None),
        ("human", None),
        ("ai", None),
        ("tool", "1"),
        ("tool", "2"),
        ("human", None),
        ("ai", None),
        ("tool", "3"),
    ]
    assert len(messages) == 5
