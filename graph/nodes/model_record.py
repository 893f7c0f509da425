"""Records each call of the model: which model, by whose rights, how many tokens, how it ended."""

from collections.abc import Awaitable

from langchain_core.messages import AIMessage

from graph.credentials.service_credentials import ServiceRequirement
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditOutcome
from identity.audit.trail import AuditTrail


class ModelRecord:
    """The model `name` of one graph. Its credential is `requirement`; `None` if its key is static."""

    def __init__(self, name: str | None, requirement: ServiceRequirement | None, audit: AuditTrail) -> None:
        self._name = name
        self._credential = requirement.credential if requirement else None
        self._acts_as = requirement.access_identity if requirement else None
        self._audit = audit

    async def around(self, response: Awaitable[AIMessage], caller: VerifiedAccessToken) -> AIMessage:
        """Awaits `response`, and records its end before it is returned or its error raised.

        Raises `AuditError` if it cannot be recorded.
        """
        step = self._audit.model_call(self._name, self._credential, self._acts_as, caller)
        try:
            message = await response
        except BaseException as error:
            await step.ended_by(error)
            raise
        used = message.usage_metadata
        await step.ended(
            AuditOutcome.SUCCEEDED,
            input_tokens=used["input_tokens"] if used else None,
            output_tokens=used["output_tokens"] if used else None,
        )
        return message
