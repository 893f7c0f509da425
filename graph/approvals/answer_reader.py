"""Reads answers to approvals: which arguments one approves, and whether they fit the tool."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graph.approvals.answer import Answer, edited_arguments, parse_answer
from graph.approvals.record import ApprovalKind, PendingApproval
from graph.error_codes import GraphCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import ApprovalError
from tools.arguments.fault import ArgumentFault
from tools.service import Access, Service

_MAX_NAME = 64
"""Characters of the path of an argument that are told."""


class AnswerReader:
    """One rule for every surface that takes an answer, and for the graph."""

    def __init__(
        self, services: Mapping[str, Service], access: Callable[[str, VerifiedAccessToken], Access]
    ) -> None:
        """`access` returns a caller's access to the service of a name."""
        self._services = services
        self._access = access

    async def faults(
        self, service: str, tool: str, arguments: Mapping[str, Any], caller: VerifiedAccessToken
    ) -> Sequence[ArgumentFault]:
        """Why the service would refuse the arguments. Raises as `Service.argument_faults` does."""
        if (called := self._services.get(service)) is None:
            return ()
        return await called.argument_faults(tool, arguments, self._access(service, caller))

    async def read(self, value: object, asked: PendingApproval, caller: VerifiedAccessToken) -> Answer:
        """The answer in `value` to what `caller` was asked, with the arguments that it approves.

        Raises `ApprovalError` (`approval_invalid`) if it is none, or if edited arguments break the schema of
        the tool, with the first faulty one; and as `faults` does. Then the approval stays open.
        """
        request = asked.request
        answer = parse_answer(value, request.id)
        if answer is None:
            raise ApprovalError(GraphCode.APPROVAL_INVALID, f"no answer to approval {request.id}")
        if not answer.approved or answer.arguments is None:
            return replace(answer, arguments=dict(asked.arguments)) if answer.approved else answer
        if request.kind is not ApprovalKind.TOOL_CALL:
            raise ApprovalError(GraphCode.APPROVAL_INVALID, f"approval {request.id} is about no arguments")
        arguments = edited_arguments(answer, request.tool, asked.arguments)
        for fault in await self.faults(request.service, request.tool, arguments, caller):
            text = f"the edited arguments of approval {request.id} do not fit the tool"
            raise ApprovalError(GraphCode.APPROVAL_INVALID, text, argument=fault.argument[:_MAX_NAME])
        return replace(answer, arguments=arguments)
