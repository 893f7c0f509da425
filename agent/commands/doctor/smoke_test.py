"""One call of the model and of each service, as in a run."""

from collections.abc import Sequence

from langchain_core.messages import HumanMessage

from agent.composition.agent import Agent
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AgentError, ServiceError
from identity.observation.failure import place_of
from tools.approval_policy import DEFAULT_POLICY, Effect
from tools.service import Service, ToolSchema


async def ask_model(agent: Agent, caller: VerifiedAccessToken | None) -> str:
    """Sends one message to the model; the detail of the finding. Raises `AgentError`."""
    key = await agent.model_key(caller)
    await agent.model.complete([HumanMessage("Answer with the word: ready")], [], api_key=key)
    return f"the model {agent.settings.llm_model} works"


async def use_service(service: Service, agent: Agent, caller: VerifiedAccessToken | None) -> str:
    """Lists the tools, and calls one that needs no argument and is declared as reading.

    Raises `AgentError`; for an exception of the service's own code, `ServiceError` with its type and place.
    """
    access = agent.access(service.name, caller)
    try:
        tools = await service.tools(access)
        if (tool := _harmless(service, tools)) is not None:
            await service.call(tool, {}, access)
            return f"the tool {tool} works"
    except (AgentError, TimeoutError):
        raise
    except Exception as fault:  # noqa: BLE001 - code of others; its text may contain anything
        detail = f'"{service.name}" raised {type(fault).__name__} at {place_of(fault)}'
        raise ServiceError(service.error_code, detail) from None
    return f"{len(tools)} tools; none was called: no tool without arguments is declared as reading"


def _harmless(service: Service, tools: Sequence[ToolSchema]) -> str | None:
    """The first tool that needs no argument and whose policy, of the code or of the operator, is to read."""
    for tool in tools:
        policy = service.policy(tool.name)
        declared = policy is not DEFAULT_POLICY and policy.effect is Effect.READ
        if declared and not tool.parameters.get("required"):
            return tool.name
    return None
