"""The arguments of a call with the defaults of its tool: what is decided about, shown, bound and called.

A tool that is called without an argument uses its default. If the default were not there before the policy, a
limit on an amount would be passed by leaving the amount out.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import ToolCall

from tools.service import ToolSchema


def with_defaults(arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`arguments` with the default of each argument that is left out, by the JSON Schema `parameters`.

    An argument whose default is null is left out if it is null. Only the schema's own properties count: not
    those of objects within it, or of alternatives.
    """
    complete = dict(arguments)
    properties = parameters.get("properties")
    if not isinstance(properties, Mapping):
        return complete
    required = parameters.get("required", ())
    for name, schema in properties.items():
        if not isinstance(schema, Mapping) or "default" not in schema:
            continue
        if schema["default"] is not None:
            complete.setdefault(name, copy.deepcopy(schema["default"]))
        elif complete.get(name) is None and name not in required:
            complete.pop(name, None)
    return complete


def call_with_defaults(call: ToolCall, offered: Sequence[ToolSchema]) -> ToolCall:
    """`call` of one of the tools that are `offered`, with its defaults."""
    tool = next((tool for tool in offered if tool.name == call["name"]), None)
    if tool is None:
        return call
    arguments = with_defaults(call["args"], tool.parameters)
    return ToolCall(name=call["name"], args=arguments, id=call["id"], type="tool_call")
