"""Who gets in, and that it is on record: the same for every way in."""

from collections.abc import Awaitable, Callable, Iterable

from agent.middleware.authentication import bearer_token
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.audit.event import AuditOutcome
from identity.audit.trail import AuditedStep, AuditTrail
from identity.errors import AccessTokenError
from identity.secret import Secret


class Admission:
    """Verifies what a request presents. `audience` and `scope` are what the agent requires."""

    def __init__(
        self,
        verify: Callable[[Secret], Awaitable[VerifiedAccessToken]],
        audit: AuditTrail,
        *,
        audience: str,
        scope: str,
    ) -> None:
        self._verify = verify
        self._audit = audit
        self._audience = audience
        self._scope = scope

    async def admit(self, authorization: Iterable[str]) -> VerifiedAccessToken:
        """The verified access token of the `Authorization` headers of one request.

        Raises the verifier's errors, and `AuditError` for a caller who cannot be put on record.
        """
        try:
            token = bearer_token(authorization)
        except AccessTokenError as error:
            await self._step(None).ended_by(error)
            raise
        step = self._step(token)
        try:
            caller = await self._verify(token)
        except BaseException as error:
            await step.ended_by(error)
            raise
        await step.ended(AuditOutcome.SUCCEEDED, caller=caller)
        return caller

    def _step(self, presented: Secret | None) -> AuditedStep:
        return self._audit.authentication(presented, self._audience, self._scope)
