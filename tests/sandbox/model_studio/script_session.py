"""The decisions of the stand-in model with the map's tools and those of an employer."""

import json
from datetime import date

import pytest

from sandbox.amap.tools import TOOLS, ToolError, run
from sandbox.model_studio.answers import decide
from sandbox.model_studio.script import Conversation, Outcome, Rules, Tool

TODAY = date(2026, 11, 24)
NOON_IN_CHINA = 1_795_492_800.0
TEXT = {"type": "string"}


def tool(name, description="", required=(), /, **properties):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(name, description, schema)


FIRST_DAY = {"type": "string", "pattern": r"^\d{4}", "description": "The first day, YYYY-MM-DD."}
ENTERPRISE = tool("call_enterprise_service", "Calls the enterprise service (企业服务).", message=TEXT)
LEAVE = tool("leave_balance", "How many days of leave (休假, 年假) the employee has left.")
APPLY = tool(
    "leave_apply",
    "Applies for leave (请假) of some days in a row, for the employee.",
    ["days", "first_day"],
    days={"type": "integer", "minimum": 1},
    first_day=FIRST_DAY,
)
MAP = [Tool(t.name, t.description or "", t.inputSchema) for t in TOOLS]
AGENT = [
    *MAP,
    ENTERPRISE,
    LEAVE,
    tool("leave_applications", "Lists the employee's applications for leave (休假记录)."),
    APPLY,
    tool("leave_cancel", "Cancels the employee's application for leave.", ["first_day"], first_day=FIRST_DAY),
]


def first_calls(question, tools=AGENT, earlier=(), **rules):
    """The calls that a question leads to; `earlier` questions newest first, or one as a text."""
    earlier = (earlier,) if isinstance(earlier, str) else earlier
    _, calls, _ = decide(Conversation(question, earlier), tools, TODAY, Rules(**rules))
    return [(call.tool, dict(call.arguments)) for call in calls]


def converse(question, tools=AGENT, results=None, earlier=(), **rules):
    """Lets the model call until it answers: the calls of each round, and the text.

    The map is real, other tools return `results`. A call that is demanded is made once.
    """
    outcomes, rounds = (), []
    for _ in range(8):
        conversation = Conversation(question, tuple(earlier), outcomes)
        text, calls, _ = decide(conversation, tools, TODAY, Rules(**rules))
        demanded = rules.get("forced") or rules.get("must_call")
        if not calls or (demanded and rounds):
            return rounds, text
        rounds.append([(call.tool, dict(call.arguments)) for call in calls])
        outcomes += tuple(Outcome(call, _result(call, results or {})) for call in calls)
    pytest.fail("the stand-in model does not come to an end")


def _result(call, results):
    if call.tool in results:
        result = results[call.tool]
        return result if isinstance(result, str) else json.dumps(result)
    try:
        return run(call.tool, call.arguments, NOON_IN_CHINA)
    except ToolError as error:
        return str(error)
