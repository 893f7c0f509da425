"""The official client of SDK 2.x, in an environment of its own: runs calls that it reads from stdin.

    {"url", "token", "mode", "calls": [[name, arguments], …], "approve": true}

Prints the version that was agreed on, the names of the tools, and for each call its result or its error.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult


async def main(given):
    asked, told = [], []

    async def decide(context, params):
        asked.append(params.model_dump(by_alias=True, exclude_none=True))
        return ElicitResult(action="accept", content={"approve": given["approve"]})

    async def progress(done, total, message):
        told.append(message)

    headers = {"Authorization": f"Bearer {given['token']}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(given["url"], http_client=http)
        async with Client(transport, mode=given["mode"], elicitation_callback=decide) as client:
            tools = (await client.list_tools()).tools
            results = []
            for name, arguments in given["calls"]:
                try:
                    result = await client.call_tool(name, arguments, progress_callback=progress)
                    results.append(result.model_dump(by_alias=True, exclude_none=True, mode="json"))
                except MCPError as error:
                    results.append({"error": error.error.model_dump(exclude_none=True, mode="json")})
            version = client.protocol_version
    return {
        "version": version,
        "tools": [tool.name for tool in tools],
        "results": results,
        "asked": asked,
        "told": told,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.loads(sys.stdin.read())))))  # noqa: T201 - what the test reads
