"""A deep agent with a sub-agent. The lines marked `# identity` were added to it."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from typing import Any

from deepagents import create_deep_agent
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from idaas_agent import Identity, IdentityContext  # identity


def today() -> str:
    """Today's date."""
    return datetime.now(UTC).date().isoformat()


async def graph(identity: Identity, checkpointer: Any, model: Any = None) -> Any:
    """The agent, for `answered` below, and for the server: `GRAPH=deep_agents.py:graph`."""
    decides = identity.middleware(policy_file="policies.toml")  # identity
    leave = {
        "name": "leave",
        "description": "Knows the leave of its user, and applies for it.",
        "system_prompt": "You manage the leave of your user.",
        "tools": await identity.tools("services.toml"),  # identity
        "middleware": [decides],  # identity
    }
    if model is None:
        key = identity.api_key(os.environ["LLM_API_KEY_IDENTIFIER"])  # identity
        model = ChatOpenAI(model="qwen-plus", base_url=os.environ["LLM_BASE_URL"], api_key=key)
    return create_deep_agent(
        model,
        [today],
        subagents=[leave],
        middleware=[decides],  # identity
        context_schema=IdentityContext,  # identity
        checkpointer=checkpointer,
    )


async def answered(question: str, model: Any = None, ask=input) -> str:
    """The agent's answer. `ask` puts each of its own questions to the person."""
    agent = await graph(Identity.from_env(), InMemorySaver(), model)  # identity
    token = os.environ["ACCESS_TOKEN"]  # identity
    run = {"config": {"configurable": {"thread_id": "1"}}, "context": IdentityContext(access_token=token)}
    state = await agent.ainvoke({"messages": [("user", question)]}, **run)
    while asked := state.get("__interrupt__"):
        calls = asked[0].value["action_requests"]
        answers = [ask(f"{call['description']}\nApprove? [y/n] ") for call in calls]
        decisions = [{"type": "approve" if answer == "y" else "reject"} for answer in answers]
        state = await agent.ainvoke(Command(resume={"decisions": decisions}), **run)
    return state["messages"][-1].text


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(answered(" ".join(sys.argv[1:]))) + "\n")
