"""One call of the model and of each service, as in a run."""

from langchain_core.messages import HumanMessage

from agent.composition import Agent
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, ServiceError
from identity.fault_place import place_of
from tools.service import Service


async def ask_model(agent: Agent, caller: VerifiedAccessToken | None) -> str:
    """Sends one message to the model; the detail of the finding. Raises `AgentError`."""
    key = await agent.model_key(caller)
    await agent.model.complete([HumanMessage("Answer with the word: ready")], [], api_key=key)
    return f"the model {agent.settings.llm_model} works"


async def use_service(service: Service, agent: Agent, caller: VerifiedAccessToken | None) -> str:
    """Lists the tools; if there is one, and it needs no argument, calls it.

    Raises `AgentError`; for an exception of the service's own code, `ServiceError` with its type and place.
    """
    access = agent.access(service.name, caller)
    try:
        tools = await service.tools(access)
        if len(tools) == 1 and not tools[0].parameters.get("required"):
            await service.call(tools[0].name, {}, access)
            return f"the tool {tools[0].name} works"
    except (AgentError, TimeoutError):
        raise
    except Exception as fault:  # noqa: BLE001 - code of others; its text may contain anything
        detail = f'"{service.name}" raised {type(fault).__name__} at {place_of(fault)}'
        raise ServiceError(service.error_code, detail) from None
    return f"{len(tools)} tools"
