"""One call of the model and of each service, as in a run."""

from langchain_core.messages import HumanMessage

from agent.composition import Agent
from identity.access_token.verified_access_token import VerifiedAccessToken
from tools.service import Service


async def ask_model(agent: Agent, caller: VerifiedAccessToken | None) -> str:
    """Sends one message to the model; the detail of the finding. Raises `AgentError`."""
    key = await agent.model_key(caller)
    await agent.model.complete([HumanMessage("Answer with the word: ready")], [], api_key=key)
    return f"{agent.settings.llm_model} answered"


async def use_service(service: Service, agent: Agent, caller: VerifiedAccessToken | None) -> str:
    """Lists the tools; if there is one, and it needs no argument, calls it. Raises `AgentError`."""
    access = agent.access(service.name, caller)
    tools = await service.tools(access)
    if len(tools) == 1 and not tools[0].parameters.get("required"):
        await service.call(tools[0].name, {}, access)
        return f"{tools[0].name} answered"
    return f"{len(tools)} tools"
