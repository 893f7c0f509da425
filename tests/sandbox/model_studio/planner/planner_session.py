"""The decisions of the sandbox's model with the map's tools and those of an employer."""

from datetime import date

import pytest

from sandbox.amap.map.catalogue import TOOLS
from sandbox.amap.map.failure import ToolError
from sandbox.amap.map.map_service import run
from sandbox.model_studio.planner.conversation import Call, Conversation, Outcome, Rules, Tool
from sandbox.model_studio.planner.planning import decide

TODAY = date(2026, 11, 24)
NOON_IN_CHINA = 1_795_492_800.0


def tool(name, description, required=(), /, **properties):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(name, description, schema)


TEXT = {"type": "string"}
MAP = [Tool(t.name, t.description or "", t.inputSchema) for t in TOOLS]
ENTERPRISE = tool(
    "call_enterprise_service",
    "Calls the enterprise service (企业服务), the company's internal service, and returns its answer.",
    message={"anyOf": [TEXT, {"type": "null"}], "description": "What to tell the service, if anything."},
)
LEAVE = tool("leave_balance", "How many days of leave (休假, 年假) the employee has left.")
FIRST_DAY = {"type": "string", "pattern": r"^\d{4}", "description": "The first day, YYYY-MM-DD."}
APPLICATIONS = tool("leave_applications", "Lists the employee's applications for leave (休假记录).")
APPLY = tool(
    "leave_apply",
    "Applies for leave (请假) of some days in a row, for the employee.",
    ["days", "first_day"],
    days={"type": "integer", "minimum": 1},
    first_day=FIRST_DAY,
    reason={"anyOf": [TEXT, {"type": "null"}], "default": None},
)
CANCEL = tool(
    "leave_cancel",
    "Cancels the employee's application for leave (取消休假) that begins on the first day.",
    ["first_day"],
    first_day=FIRST_DAY,
)
ORDER = tool("get_order_status", "Looks up the delivery status of an order.", ["order_id"], order_id=TEXT)
COLLEAGUE = tool("lookup_employee", "Finds the e-mail address of a colleague.", ["name"], name=TEXT)
ROOM = tool(
    "book_meeting_room",
    "Books a room for a meeting.",
    ["date", "people", "floor"],
    date={"type": "string", "description": "ISO 8601 date"},
    people={"type": "integer"},
    floor={"type": "string", "enum": ["ground", "top"], "default": "ground"},
    projector={"type": "boolean"},
)
ALL = [*MAP, ENTERPRISE, LEAVE, APPLICATIONS, APPLY, CANCEL, ORDER, COLLEAGUE, ROOM]


def first_calls(question, tools=ALL, earlier=(), **rules):
    """The calls that a question leads to; `earlier` questions newest first, or one as a text."""
    earlier = (earlier,) if isinstance(earlier, str) else earlier
    return [
        (c.tool, dict(c.arguments))
        for c in decide(Conversation(question, earlier), tools, TODAY, Rules(**rules)).calls
    ]


def converse(question, tools=ALL, answers=None, earlier=(), **rules):
    """Lets the planner call until it answers; the map is real, other tools answer from `answers`."""
    rounds, text = conversation_of(question, tools, answers, earlier, **rules)
    return [[call.tool for call in calls] for calls in rounds], text


def conversation_of(question, tools=ALL, answers=None, earlier=(), **rules):
    """The same, with the calls themselves."""
    outcomes, rounds = (), []
    for _ in range(8):
        decision = decide(Conversation(question, earlier, outcomes), tools, TODAY, Rules(**rules))
        if not decision.calls or ((rules.get("forced") or rules.get("must_call")) and rounds):
            return rounds, decision.text
        rounds.append(decision.calls)
        outcomes += tuple(Outcome(call, answer(call, answers or {})) for call in decision.calls)
    pytest.fail("the planner does not come to an end")


def answer(call: Call, answers) -> str:
    if call.tool in answers:
        return answers[call.tool]
    try:
        return run(call.tool, call.arguments, NOON_IN_CHINA)
    except ToolError as error:
        return str(error)
