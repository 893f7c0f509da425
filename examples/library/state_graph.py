"""A `StateGraph` of one's own, with LangGraph's tool node. The lines marked `# identity` were added to it."""

import asyncio
import os
import sys
from typing import Any

from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import tools_condition
from langgraph.types import Command

from idaas_agent import Identity, IdentityContext  # identity


async def graph(identity: Identity, checkpointer: Any, model: Any = None) -> Any:
    """The graph, for `answered` below, and for the server: `GRAPH=state_graph.py:graph`."""
    tools = await identity.tools("services.toml")  # identity
    asked = model or ChatOpenAI(
        model="qwen-plus",
        base_url=os.environ["LLM_BASE_URL"],
        api_key=identity.api_key(os.environ["LLM_API_KEY_IDENTIFIER"]),  # identity
    )
    calling = asked.bind_tools(tools)

    async def respond(state: MessagesState) -> dict:
        return {"messages": [await calling.ainvoke(state["messages"])]}

    builder = StateGraph(MessagesState, context_schema=IdentityContext)  # identity
    builder.add_node("respond", respond)
    builder.add_node("tools", identity.tool_node(tools))  # identity: in place of ToolNode(tools)
    builder.add_edge(START, "respond")
    builder.add_conditional_edges("respond", tools_condition)
    builder.add_edge("tools", "respond")
    return builder.compile(checkpointer=checkpointer)


async def answered(question: str, model: Any = None, ask=input) -> str:
    """The graph's answer. `ask` puts each of its own questions to the person."""
    agent = await graph(Identity.from_env(), InMemorySaver(), model)  # identity
    run = {
        "config": {"configurable": {"thread_id": "1"}},
        "context": IdentityContext(access_token=os.environ["ACCESS_TOKEN"]),  # identity
    }
    state = await agent.ainvoke({"messages": [("user", question)]}, **run)
    while asked := state.get("__interrupt__"):
        decisions = []
        for action in asked[0].value["action_requests"]:
            agreed = ask(f"{action['description']}\nApprove? [y/n] ") == "y"
            decisions.append({"type": "approve" if agreed else "reject"})
        state = await agent.ainvoke(Command(resume={"decisions": decisions}), **run)
    return state["messages"][-1].text


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(answered(" ".join(sys.argv[1:]))) + "\n")
