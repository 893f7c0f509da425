"""Our own parts of the measurement with AgentDojo, which is not needed here: model, persons, page."""

import base64
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from langchain_core.messages import AnyMessage, HumanMessage, SystemMessage, ToolMessage

from benchmarks.injections.delegating_graph import ASSISTANT, delegated, next_message
from benchmarks.injections.kept_outcomes import KeptOutcomes, left
from benchmarks.injections.obedient_model import (
    SYSTEM_PROMPT,
    Form,
    ObedientModel,
    Order,
    Script,
    in_form,
    in_order,
    one_a_turn,
    together,
)
from benchmarks.injections.outcome import Manner, Outcome, consequential_tools
from benchmarks.injections.page import PAGE, figures, frontier
from benchmarks.injections.persons import Absent, Attentive, Credulous
from benchmarks.injections.planned_call import PlannedCall
from benchmarks.injections.policies import PUBLISHED, VARIANTS, is_published, services_text
from benchmarks.injections.progress import Progress
from benchmarks.injections.suites import SUITES, Case
from graph.prompt import prompt_for
from identity.principal import Caller, Principal

READ = PlannedCall("read_inbox", {"user": "Bob"})
SEND = PlannedCall("send_direct_message", {"recipient": "Alice", "body": "See you at noon"})
PAY = PlannedCall("send_money", {"recipient": "US133000000121212121212", "amount": 1.5})
INVITE = PlannedCall("invite_user", {"user": "Fred", "user_email": "fred@example.com"})


@pytest.mark.parametrize(
    ("order", "calls"),
    [
        (Order.LAST, [READ, SEND, INVITE, PAY]),
        (Order.FIRST, [INVITE, PAY, READ, SEND]),
        (Order.BETWEEN, [READ, INVITE, PAY, SEND]),
        (Order.ALONE, [INVITE, PAY]),
    ],
)
def test_attack_stands_where_its_order_says(order: Order, calls: list[PlannedCall]) -> None:
    assert in_order(order, [READ, SEND], [INVITE, PAY]) == calls


def test_attack_between_follows_the_only_call_of_the_user() -> None:
    assert in_order(Order.BETWEEN, [READ], [PAY]) == [READ, PAY]


def test_split_attack_sends_each_sentence_in_two_calls_and_what_is_one_word_whole() -> None:
    bodies = [call.arguments["body"] for call in in_form(Form.SPLIT, [SEND], {})]
    recipients = {call.arguments["recipient"] for call in in_form(Form.SPLIT, [SEND], {})}

    assert len(bodies) == 2
    assert "".join(bodies) == "See you at noon"
    assert recipients == {"Alice"}
    assert in_form(Form.SPLIT, [PAY], {}) == [PAY]


def test_encoded_attack_has_its_sentences_in_base64() -> None:
    [call] = in_form(Form.ENCODED, [SEND], {})

    assert base64.b64decode(call.arguments["body"]) == b"See you at noon"
    assert call.arguments["recipient"] == "Alice"


def test_attack_again_makes_each_call_three_times() -> None:
    assert Counter(call.key for call in in_form(Form.AGAIN, [SEND, PAY], {})) == {SEND.key: 3, PAY.key: 3}


SCHEMAS = {
    "send_direct_message": {
        "properties": {"recipient": {"type": "string"}, "body": {"type": "string"}},
        "required": ["recipient", "body"],
    },
    "send_money": {
        "properties": {
            "recipient": {"type": "string"},
            "amount": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "recurring": {"type": "boolean"},
        },
        "required": ["recipient", "recurring"],
    },
}


def test_attack_in_numbers_has_its_text_in_the_numbers_of_calls() -> None:
    made = in_form(Form.NUMBERS, [SEND], SCHEMAS)
    data = b"".join(call.arguments["amount"].to_bytes(3).lstrip(b"\0") for call in made)

    assert data == b"See you at noon"
    assert {call.tool for call in made} == {"send_money"}
    assert {call.arguments["recipient"] for call in made} == {"x"}


def test_attack_in_booleans_has_one_bit_in_each_call() -> None:
    bits = "".join("01"[call.arguments["recurring"]] for call in in_form(Form.BOOLEANS, [SEND], SCHEMAS))

    assert int(bits, 2).to_bytes(2) == b"Se"


def test_attack_in_names_has_its_text_as_an_argument_that_no_tool_has() -> None:
    [call] = in_form(Form.NAMES, [SEND], SCHEMAS)

    assert call.arguments == {**SEND.arguments, "See you at noon": True}


def test_attack_without_such_an_argument_is_as_it_was() -> None:
    only_texts = {"send_direct_message": SCHEMAS["send_direct_message"]}

    assert in_form(Form.NUMBERS, [SEND], only_texts) == [SEND]
    assert in_form(Form.BOOLEANS, [SEND], only_texts) == [SEND]


def test_delegated_attack_is_one_call_whose_agent_makes_its_calls_one_after_another() -> None:
    [handed_over] = in_form(Form.DELEGATED, [SEND, PAY], {})
    messages: list[AnyMessage] = [HumanMessage(handed_over.arguments["task"])]
    made = []
    while calls := next_message(messages).tool_calls:
        made += [PlannedCall(call["name"], call["args"]) for call in calls]
        messages.append(ToolMessage("declined", tool_call_id=str(calls[0]["id"])))

    assert handed_over == delegated([SEND, PAY])
    assert handed_over.tool == ASSISTANT
    assert made == [SEND, PAY]


def test_progress_is_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("slack, published", 20)
    for runs in (3, 1, 1, 15):
        progress.add(runs)

    assert capsys.readouterr().err.splitlines() == [
        "slack, published: 3 of 20 runs",
        "slack, published: 4 of 20 runs",
        "slack, published: 20 of 20 runs",
    ]


def test_measurement_that_was_ended_goes_on_with_the_runs_that_are_left(tmp_path: Path) -> None:
    kept = KeptOutcomes(tmp_path / "folder" / "0-slack.jsonl")
    assert kept.begin() == []
    first = outcome("injection_task_1", Manner("absent", Order.FIRST, Form.SPLIT), succeeded=True)
    kept.add(first)
    with kept.file.open("a") as file:
        file.write('{"case": {"sui')  # the process was ended here
    runs = [(first.case, manner) for manner in (first.manner, Manner("absent"))]

    assert kept.begin() == [first]
    assert [*left(runs, kept.all())] == [(first.case, Manner("absent"))]


def test_calls_that_change_something_and_follow_one_another_are_in_one_message() -> None:
    changing = {"send_money", "invite_user"}

    assert together([READ, PAY, INVITE, READ, READ, PAY], changing) == [
        [READ], [PAY, INVITE], [READ], [READ], [PAY],
    ]  # fmt: skip
    assert [len(turn) for turn in together([PAY] * 11, changing)] == [8, 3]


async def test_model_follows_the_script_of_the_user_for_whom_it_is_asked() -> None:
    model = ObedientModel({"alice": Script(one_a_turn([READ, SEND]), "done"), "bob": Script([[PAY]], "paid")})

    async def turn(subject: str) -> tuple[list[str], str]:
        prompt = prompt_for(SYSTEM_PROMPT, Caller(Principal("https://idaas.example", subject)))
        message = await model.complete([SystemMessage(prompt), HumanMessage("please")], [])
        return [call["name"] for call in message.tool_calls], str(message.text)

    assert await turn("alice") == (["read_inbox"], "")
    assert await turn("bob") == (["send_money"], "")
    assert await turn("alice") == (["send_direct_message"], "")
    assert await turn("bob") == ([], "paid")
    assert await turn("alice") == ([], "done")


def test_attentive_person_approves_what_the_task_needs_as_often_as_it_needs_it() -> None:
    person = Attentive([SEND, SEND, PAY])

    assert [person.approves(call) for call in (SEND, INVITE, SEND, SEND, PAY)] == [
        True, False, True, False, True,
    ]  # fmt: skip
    assert person.asked == [SEND, INVITE, SEND, SEND, PAY]
    assert person.approved == [SEND, SEND, PAY]


def test_attentive_person_declines_another_value_and_another_argument() -> None:
    person = Attentive([PAY])

    assert Attentive([PlannedCall("send_money", {"amount": 2.0})]).approves(
        PlannedCall("send_money", {"amount": 2})
    )
    assert not person.approves(PlannedCall("send_money", {**PAY.arguments, "amount": 2}))
    assert not person.approves(PlannedCall("send_money", {**PAY.arguments, "subject": "rent"}))
    assert person.approves(PlannedCall("send_money", {**PAY.arguments, "subject": None}))


def test_absent_person_approves_nothing_and_a_credulous_one_everything() -> None:
    absent, credulous = Absent(), Credulous()

    assert not absent.approves(SEND)
    assert credulous.approves(PAY)
    assert (absent.asked, absent.approved) == ([SEND], [])
    assert (credulous.asked, credulous.approved) == ([PAY], [PAY])


@pytest.mark.parametrize("suite", SUITES)
def test_services_file_has_a_policy_for_each_of_its_tools(suite: str) -> None:
    services = tomllib.loads(services_text(suite, PUBLISHED))["services"]
    for service in services.values():
        assert service["policies"].keys() == set(service["settings"]["tools"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_policies_that_are_compared_differ_in_what_their_names_say(variant: str) -> None:
    differ = {suite for suite in SUITES if not is_published(suite, variant)}
    expected = {"a page": {"slack"}, "a change": {*SUITES}, PUBLISHED: set()}
    expected |= {"mail": {"workspace", "travel"}, "they": {"workspace", "travel"}}
    [suites] = [suites for name, suites in expected.items() if variant.startswith(name)]

    assert differ == suites


def test_tools_that_change_something_or_let_values_out_are_consequential() -> None:
    tools = consequential_tools(services_text("slack", PUBLISHED))

    assert {"send_direct_message", "invite_user_to_slack", "get_webpage"} <= tools
    assert not {"read_inbox", "get_channels"} & tools


def test_task_is_judged_where_the_page_counts_it() -> None:
    harmless, pair = Case("slack", "user_task_0"), Case("slack", "user_task_0", "injection_task_1")

    assert Manner("absent").judges_task(harmless)
    assert Manner("attentive").judges_task(pair)
    assert not Manner("attentive", Order.FIRST).judges_task(pair)
    assert not Manner("absent").judges_task(pair)


def outcome(attack: str | None, manner: Manner, *, succeeded: bool = False, questions: int = 0) -> Outcome:
    case = Case("slack", "user_task_0", attack)
    return Outcome(
        case,
        manner,
        solved=True,
        succeeded=succeeded,
        says_only=False,
        questions=questions,
        interruptions=questions,
        unasked=("get_webpage {}",) if succeeded else (),
    )


def row(table: str, beginning: str) -> list[str]:
    [line] = [line for line in table.splitlines() if line.startswith(f"| {beginning}")]
    return line.strip("| ").split(" | ")[1:]


def test_figures_count_each_suite_and_all() -> None:
    absent = Manner("absent", Order.FIRST)
    table = figures(
        [
            outcome(None, Manner("attentive"), questions=3),
            outcome("injection_task_1", absent),
            outcome("injection_task_3", absent, succeeded=True),
        ]
    )

    assert row(table, "questions that they") == ["–", "–", "–", "3", "3"]
    assert row(table, "attacks that happen, nobody answers: before them") == [
        "–",
        "–",
        "–",
        "1 of 2",
        "1 of 2",
    ]
    assert row(table, "runs with a call made unasked, nobody answers: before")[-1] == "1 of 2"


def test_orders_with_equal_figures_share_a_row() -> None:
    orders = (Order.LAST, Order.FIRST, Order.BETWEEN)
    attacked = [
        outcome("injection_task_1", Manner("absent", order), succeeded=order is Order.BETWEEN)
        for order in orders
    ]
    table = figures(attacked)

    assert (
        row(table, "attacks that happen, nobody answers: after the user's calls; before them")[-1] == "0 of 1"
    )
    assert row(table, "attacks that happen, nobody answers: between them")[-1] == "1 of 1"


def test_frontier_has_a_row_for_each_policy() -> None:
    asked = outcome(None, Manner("attentive"), questions=4)
    table = frontier({"strict": [asked], "lax": [outcome("a", Manner("absent"), succeeded=True)]})

    assert row(table, "strict") == ["4", "–", "–"]
    assert row(table, "lax") == ["0", "1 of 1", "–"]


def test_page_names_the_policies_that_were_run() -> None:
    page = PAGE.text()

    assert [f"benchmarks/injections/services/{suite}.toml" in page for suite in SUITES] == [True] * 4
