"""The company's reports, by the tools of `langchain-mcp-adapters`."""

import httpx
from langchain_mcp_adapters.client import MultiServerMCPClient

from idaas_agent import READS, ToolResult


def service(reports, settings):
    """What `services.toml` names."""

    @reports.tool(policy=READS)
    async def report(auth: httpx.Auth, city: str):
        """Gets the weather report of a city."""
        server = {"transport": "http", "url": settings["url"], "auth": auth}
        toolkit = {tool.name: tool for tool in await MultiServerMCPClient({"reports": server}).get_tools()}
        if "weather" not in toolkit:
            return ToolResult("the server has no such report", ok=False)
        return await toolkit["weather"].ainvoke({"city": city})
