"""Saying it: the answer from what the tools said, asking back, small talk; in the question's language."""

import re
from collections.abc import Sequence

from sandbox.model_studio.planner import results
from sandbox.model_studio.planner.arguments import Filling
from sandbox.model_studio.planner.conversation import Call, Outcome, Tool
from sandbox.model_studio.planner.goals import Goal

STAND_IN = "_Answered by the sandbox's stand-in model._"
STAND_IN_CHINESE = "_由沙箱的替身模型回答。_"
_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|good (?:morning|afternoon|evening)|你好|您好|嗨|早上好|下午好|晚上好)",
    re.IGNORECASE,
)
_THANKS = re.compile(r"\b(?:thanks?|thank you|bye)\b|谢|再见", re.IGNORECASE)
_HELP = re.compile(
    r"\b(?:what|which)\b.*\b(?:can you|tools|abilities)\b|\bhelp\b|你能做|你会|能干什么|哪些工具|帮助",
    re.IGNORECASE,
)
_FEW = 5


def answer(question: str, outcomes: Sequence[Outcome], fillings: Sequence[Filling], chinese: bool) -> str:
    """What each tool said, then what is still missing."""
    parts = [_outcome(outcome, question, chinese) for outcome in outcomes]
    parts += [_ask(filling, chinese) for filling in fillings if filling.missing]
    return "\n\n".join([*dict.fromkeys(parts), _signature(chinese)])


def talk(question: str, tools: Sequence[Tool], chinese: bool) -> str:
    """An answer without tools: a greeting, thanks, or what the offered tools allow."""
    if _HELP.search(question):
        first, whole = "", True
    elif _THANKS.search(question):
        first, whole = ("不客气。" if chinese else "You are welcome."), False
    elif _GREETING.search(question):
        first, whole = ("你好！" if chinese else "Hello!"), False
    else:
        first, whole = ("这个问题我回答不了。" if chinese else "I cannot answer that."), False
    said = f"{first} {_abilities(tools, chinese, whole=whole)}".strip()
    return f"{said}\n\n{_signature(chinese)}"


def thinking(question: str, goals: Sequence[Goal], pending: Sequence[Call], tools: int, chinese: bool) -> str:
    """The planner's reasons."""
    quoted = question.strip().replace("\n", " ")[:120]
    names = ", ".join(dict.fromkeys(f"`{goal.tool.name}`" for goal in goals))
    calls = "; ".join(_signature_of(call) for call in pending)
    if chinese:
        fits = f"合适的是 {names}。" if names else "没有合适的。"
        return f"用户问：“{quoted}”。共有 {tools} 个工具，{fits}" + (
            f"接下来调用：{calls}。" if calls else "现在可以回答。"
        )
    fits = f"{names} fits." if names else "none fits."
    return f'The user asks: "{quoted}". Of {tools} tools, {fits} ' + (
        f"Next I call {calls}." if calls else "Now I can answer."
    )


def _signature_of(call: Call) -> str:
    return f"{call.tool}({', '.join(f'{name}={value}' for name, value in call.arguments.items())})"


def _outcome(outcome: Outcome, question: str, chinese: bool) -> str:
    reason = results.failure(outcome.text)
    if reason is None:
        return results.describe(outcome.text, question, chinese)
    tool = outcome.call.tool
    if chinese:
        return f"调用 `{tool}` 失败，因此没有结果。原因：{reason}"
    return f"Calling `{tool}` failed, so I have no result from it. The reason given: {reason}"


def _ask(filling: Filling, chinese: bool) -> str:
    needed = "; ".join(_argument(filling.tool, name) for name in filling.missing)
    tool = filling.tool.name
    if chinese:
        return f"要使用 `{tool}`，我还需要：{needed}。请告诉我。"
    return f"To use `{tool}` I still need: {needed}. Please tell me."


def _argument(tool: Tool, name: str) -> str:
    description = str(tool.properties[name].get("description", "")).strip()
    return f"**{name}** ({description})" if description else f"**{name}**"


def _abilities(tools: Sequence[Tool], chinese: bool, *, whole: bool) -> str:
    if not tools:
        if chinese:
            return "我是沙箱的替身模型，没有可用的工具时只能闲聊。"
        return "I am the sandbox's stand-in model; without tools I can only make small talk."
    if whole:
        listed = "\n".join(f"- `{tool.name}`: {_sentence(tool.description)}" for tool in tools)
        return (
            f"我可以使用这些工具：\n\n{listed}"
            if chinese
            else f"These are the tools that I can use:\n\n{listed}"
        )
    # The last ones first: an agent's own tools usually come after those of an MCP server.
    some = ", ".join(f"`{tool.name}`" for tool in list(reversed(tools))[:_FEW])
    if chinese:
        return f"我可以使用 {len(tools)} 个工具，例如 {some}。问“你能做什么”可以看到全部。"
    return f'I can use {len(tools)} tools, such as {some}. Ask "What can you do?" for all of them.'


def _sentence(description: str) -> str:
    return re.split(r"(?<=[.。])\s|\n", description.strip(), maxsplit=1)[0][:160]


def _signature(chinese: bool) -> str:
    return STAND_IN_CHINESE if chinese else STAND_IN
