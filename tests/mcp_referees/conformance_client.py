"""The agent's client for the conformance runner, which starts it with the address of a server.

It lists the tools, and calls each with arguments that its schema allows. A person accepts each question with
what its form begins with.
"""

import asyncio
import json
import os
import sys
from typing import Any

from identity.credentials.requirement import ApiKeyRequirement
from identity.errors import ServiceError
from tests.tools.conftest import KeyRing
from tools.elicitation import ANSWERED, Answered, defaults
from tools.mcp_service.service import MCPService

VALUES = {"string": "x", "integer": 7, "number": 7, "boolean": True, "object": {}, "array": []}


def arguments_of(schema: dict[str, Any]) -> dict[str, Any]:
    """A value for each property."""
    found = {}
    for name, each in schema.get("properties", {}).items():
        kind = each.get("type", "string")
        found[name] = arguments_of(each) if kind == "object" else each.get("enum", [VALUES.get(kind, "x")])[0]
    return found


async def main(url: str) -> None:
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    calls = [(each["name"], each["arguments"]) for each in context.get("toolCalls", [])]
    ANSWERED.set(Answered())
    service = MCPService("referee", url, ApiKeyRequirement("key"), seconds=60, listing_seconds=60)
    access = KeyRing("K1")
    tools = await service.tools(access)
    for name, arguments in calls or [(tool.name, arguments_of(dict(tool.parameters))) for tool in tools]:
        if name == "json_schema_echo":  # the runner reads what became of the schema of its other tool
            arguments["schema"] = next(each.parameters for each in tools if each.name != name)
        try:
            result = await service.call(name, arguments, access)
            while (asks := result.asks) is not None:
                forms = {key: defaults(each, samples=True) for key, each in asks.questions.items()}
                given = {key: {"action": "accept", "content": form} for key, form in forms.items()}
                ANSWERED.set(Answered(given, asks.state, asks.rounds))
                result = await service.call(name, arguments, access)
        except ServiceError as error:
            sys.stderr.write(f"{name}: {error}\n")
        ANSWERED.set(Answered())
    await service.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
