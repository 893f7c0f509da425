"""A client of the sandbox's IDaaS whose waits are over at once."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from graph.error_codes import GraphCode
from identity.credentials.requirement import ApiKeyRequirement
from identity.errors import AgentError, CredentialError

PAM = "urn:cloud:idaas:pam|.all"
ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
LEAVE = "https://leave.sandbox.example|leave.read"
LLM_KEY = ApiKeyRequirement("llm_api_key", GraphCode.LLM_API_KEY_UNAVAILABLE)


@dataclass
class Waits:
    """A sleep that is over at once, and remembers for how long it was."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


async def refusal(call: Any, kind: type[AgentError] = CredentialError) -> AgentError:
    with pytest.raises(kind) as caught:
        await call
    return caught.value
