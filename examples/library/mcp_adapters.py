"""An agent with the tools of an MCP server. The lines marked `# identity` were added to it."""

import asyncio
import os
import sys
from typing import Any

from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_openai import ChatOpenAI

from idaas_agent import Identity, IdentityContext  # identity

MAPS = os.environ["EXTERNAL_SERVER_URL"]


async def answered(question: str, model: Any) -> str:
    """The agent's answer."""
    identity = Identity.from_env()  # identity
    auth = identity.auth(api_key=os.environ["EXTERNAL_SERVER_API_KEY_IDENTIFIER"], url=MAPS)  # identity
    token = os.environ["ACCESS_TOKEN"]  # identity
    client = MultiServerMCPClient({"maps": {"transport": "streamable_http", "url": MAPS, "auth": auth}})
    async with identity.acting_for(token):  # identity: for whom the tools are listed
        tools = await client.get_tools()
    agent = create_agent(model, tools, context_schema=IdentityContext)  # identity: context_schema
    context = IdentityContext(access_token=token)  # identity
    state = await agent.ainvoke({"messages": [("user", question)]}, context=context)
    return state["messages"][-1].text


if __name__ == "__main__":
    qwen = ChatOpenAI(model="qwen-plus", base_url=os.environ["LLM_BASE_URL"])
    sys.stdout.write(asyncio.run(answered(" ".join(sys.argv[1:]), qwen)) + "\n")
