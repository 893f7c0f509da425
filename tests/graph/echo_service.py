"""A service of the graph whose tools respond as a test says."""

import asyncio
from collections.abc import Sequence
from typing import Any

from identity.errors import AgentError
from tools.approval_policy import DEFAULT_POLICY, Data, ToolPolicy
from tools.arguments.fault import ArgumentFault
from tools.arguments.validator import BoundedValidator
from tools.error_codes import ToolCode
from tools.service import Access, ToolResult, ToolSchema


class EchoService:
    """A service with tools that respond by `answers`; records the secret of each call.

    Its tools are cached, unless `listed_by_its_server` is set or listing them fails.
    """

    def __init__(self, name: str, requirement=None, *, access_identity=None, **answers: Any) -> None:
        self.name = name
        self.credential = requirement
        self.access_identity = access_identity
        self.error_code = ToolCode.EXTERNAL_SERVICE_FAILED
        self.settings = ()
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any], str | None]] = []
        self.listing: AgentError | Exception | None = None
        self.renew_first = False
        self.listed_by_its_server = False
        self.policies: dict[str, ToolPolicy] = {}
        self.data = Data.UNLABELLED
        self.tool_names = frozenset(answers)
        self.validators: dict[str, BoundedValidator] = {}
        """By tool; without one, all arguments are valid."""
        self.schema_failure: AgentError | None = None
        self.schemas = [
            ToolSchema(tool, f"The tool {tool}.", {"type": "object", "properties": {}}) for tool in answers
        ]

    def cached_tools(self, _access: Access) -> Sequence[ToolSchema] | None:
        return None if self.listed_by_its_server or self.listing is not None else self.schemas

    async def tools(self, access: Access) -> Sequence[ToolSchema]:
        if self.listing is not None:
            raise self.listing
        if self.listed_by_its_server:
            await access.credential()
        return self.schemas

    def policy(self, tool: str) -> ToolPolicy:
        return self.policies.get(tool, DEFAULT_POLICY)

    async def argument_faults(self, tool: str, arguments, _access: Access) -> Sequence[ArgumentFault]:
        if self.schema_failure is not None:
            raise self.schema_failure
        return self.validators[tool].faults(arguments) if tool in self.validators else []

    async def call(self, tool: str, arguments, access: Access) -> ToolResult:
        secret = None
        if self.credential is not None:
            credential = await access.credential()
            if self.renew_first:
                await asyncio.sleep(0)  # concurrent calls have the same credential
                credential = await access.renew(credential)
            secret = credential.secret.reveal()
        self.calls.append((tool, dict(arguments), secret))
        answer = self.answers[tool]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = await answer()
        return answer if isinstance(answer, ToolResult) else ToolResult(answer)

    async def aclose(self) -> None:
        pass
