"""The tool by which the model searches the others, above a number of tools that the operator sets.

It is the agent's own: it needs no credential and no approval, and it finds what the user may use. What the
conversation has found is read from the results in it, which grant nothing.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from langchain_core.messages import AnyMessage, ToolMessage

from graph.tool_calls.tool_catalog import OfferedTools
from tools.service import ToolResult, ToolSchema

FIND_TOOLS: Final = "find_tools"
_MAX_FOUND: Final = 10
_MAX_CHARACTERS: Final = 300
"""Of a query that count, and of a description in a result."""
_IN_NAME: Final = 3
"""How much more a word counts in the name of a tool."""
_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_a-zA-Z]+")
_KANA: Final = "\u3040"
"""The first letter of the scripts that have no spaces between words, and of Korean."""


def search_tool(offered: OfferedTools) -> ToolSchema:
    """`find_tools`. It names the services, and how many tools each has."""
    counts = Counter(offered.services.values())
    services = ", ".join(f"{name} ({count})" for name, count in counts.items())
    query = {"type": "string", "description": "Words of what the tool should do."}
    return ToolSchema(
        FIND_TOOLS,
        "Searches the tools that can be called, by words of their names and descriptions. "
        f"Search before you say that something cannot be done. The services and their tools: {services}.",
        {"type": "object", "properties": {"query": query}, "required": ["query"]},
    )


def listed_tools(offered: OfferedTools, messages: Sequence[AnyMessage], most: int) -> list[ToolSchema]:
    """`find_tools`, and of the tools that the conversation has found or called, the latest `most`."""
    found: dict[str, None] = {}
    for message in reversed(messages):
        if isinstance(message, ToolMessage):
            names = _names_in(message) if message.name == FIND_TOOLS else [str(message.name)]
            found |= dict.fromkeys(name for name in names if name in offered.services)
    latest = set([*found][:most]) - {FIND_TOOLS}
    return [search_tool(offered), *(tool for tool in offered.tools if tool.name in latest)]


async def found_tools(
    arguments: Mapping[str, Any],
    offered: OfferedTools,
    may_use: Callable[[ToolSchema], Awaitable[bool]],
    most: int,
) -> ToolResult:
    """The result of a call of `find_tools`: the best matches that the user `may_use`, ten at most."""
    query = arguments.get("query")
    if not isinstance(query, str):
        return ToolResult('the argument "query" must be a text', ok=False, called=False)
    found: list[dict[str, str]] = []
    for tool in ranked(query, offered.tools):
        if len(found) == min(_MAX_FOUND, most):
            break
        if tool.name != FIND_TOOLS and await may_use(tool):
            found.append({"name": tool.name, "description": tool.description[:_MAX_CHARACTERS]})
    note = "These can be called now." if found else "No tool matches. Other words may find one."
    return ToolResult(json.dumps({"tools": found, "note": note}, ensure_ascii=False))


def ranked(query: str, tools: Sequence[ToolSchema]) -> list[ToolSchema]:
    """Those of `tools` that have a word of `query` in their name or description, best first.

    A word counts the more, the fewer tools have it, and three times in a name. In Chinese, Japanese and
    Korean, the words are the characters and their pairs.
    """
    in_names = [_words(each.name) for each in tools]
    words = [name | _words(each.description) for name, each in zip(in_names, tools, strict=True)]
    having = Counter(word for each in words for word in each)
    wanted = _words(query[:_MAX_CHARACTERS])
    scores = [
        sum(math.log(1 + len(tools) / having[w]) * (_IN_NAME if w in name else 1) for w in wanted & each)
        for name, each in zip(in_names, words, strict=True)
    ]
    best = sorted(enumerate(scores), key=lambda each: -each[1])
    return [tools[place] for place, score in best if score > 0]


def _words(text: str) -> set[str]:
    words: set[str] = set()
    for word in _WORDS.findall(text):
        if word >= _KANA:
            words |= {*word, *map("".join, pairwise(word))}
        elif len(word) > 1:
            lower = word.lower()
            words.add(lower.removesuffix("s") if len(lower) > 3 else lower)
    return words


def _names_in(result: ToolMessage) -> list[str]:
    """The tools that a result of `find_tools` names; none if it is not one."""
    try:
        return [str(each["name"]) for each in json.loads(str(result.text))["tools"]]
    except (ValueError, TypeError, KeyError):
        return []
