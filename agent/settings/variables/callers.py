"""The variables of access tokens: who may call the agent, and whose rights its calls use."""

from typing import Any

from pydantic import Field, model_validator

from agent.settings.values import Url, VariableGroup, Word
from identity.principal import AccessIdentity


class CallerVariables(VariableGroup):
    """Which access tokens the agent accepts, and whose rights its calls use."""

    jwks_endpoint: Url | None = Field(
        None,
        description="The signing keys of IDaaS. Default: `<issuer>/jwks` of the SDK configuration.",
    )
    agent_audience: Word = Field(
        description="The audience of this agent in IDaaS: an access token must be for it."
    )
    agent_scope: Word = Field(
        description="The permission that an access token must carry, such as `agent.access`."
    )
    allow_client_callers: bool = Field(
        default=False,
        description="Whether clients may call as themselves, with a token whose `sub` is a client's id.",
    )
    access_identity: AccessIdentity = Field(
        AccessIdentity.MACHINE,
        description="Whose rights calls use: `Machine`, the agent's own; `Human`, the signed-in user's.",
    )

    @model_validator(mode="before")
    @classmethod
    def _permission_without_audience(cls, given: Any) -> Any:  # noqa: ANN401 - whatever is given
        """`AGENT_SCOPE` may be written as IDaaS writes it, `audience|permission`."""
        if isinstance(given, dict) and isinstance(scope := given.get("agent_scope"), str):
            audience, bar, permission = scope.partition("|")
            if bar and audience == given.get("agent_audience"):
                return given | {"agent_scope": permission}
        return given
