"""Verifies the access token of a request and records the result, the same for every surface."""

import time
from collections.abc import Callable, Iterable
from typing import Final

from cachetools import TTLCache

from agent.http.authentication import bearer_token
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.access_token.verifier import AccessTokenVerifier
from identity.audit.event import AuditOutcome
from identity.audit.step import Step
from identity.audit.trail import AuditTrail
from identity.errors import AccessTokenError
from identity.observation.request_context import USER, UserLabel, user_attribute, user_label
from identity.observation.span import CURRENT_SPAN
from identity.secrets.secret import Secret

_RECORDED_SECONDS: Final = 3600.0
_TOKENS: Final = 10_000


class Admission:
    """Verifies the access token of a request. The agent requires `audience` and `scope`."""

    def __init__(
        self,
        verifier: AccessTokenVerifier,
        audit: AuditTrail,
        *,
        audience: str,
        scope: str,
        user: UserLabel = UserLabel.HASH,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`user` is how the caller is named in the log lines and spans of the request."""
        self._verifier = verifier
        self._audit = audit
        self._audience = audience
        self._scope = scope
        self._user = user_label(user)
        self._recorded: TTLCache[str, bool] = TTLCache(_TOKENS, _RECORDED_SECONDS, clock)
        """The tokens whose unrecorded use was recorded in the last hour, by their fingerprints."""
        self._attribute = user_attribute(user)

    async def admit(self, authorization: Iterable[str], *, recorded: bool = True) -> VerifiedAccessToken:
        """The verified access token of the `Authorization` headers of one request.

        Unless `recorded`, the caller is recorded once an hour for each token; a refusal always is.
        Raises the verifier's errors, and `AuditError` if the audit record cannot be written.
        """
        try:
            token = bearer_token(authorization)
        except AccessTokenError as error:
            await self._step(None).ended_by(error)
            raise
        step = self._step(token)
        try:
            caller = await self._verifier.verify(token)
        except BaseException as error:
            await step.ended_by(error)
            raise
        user = self._user(caller.principal)
        USER.set(user)
        CURRENT_SPAN.get().set_for_trace(self._attribute, user)
        if recorded or caller.fingerprint not in self._recorded:
            await step.ended(AuditOutcome.SUCCEEDED, caller=caller)
            if not recorded:
                self._recorded[caller.fingerprint] = True
        return caller

    async def admit_again(self, caller: VerifiedAccessToken) -> None:
        """Refuses a caller whose token has expired or was revoked while their request arrived.

        Raises, and records, as `admit` does; a caller who is admitted again is not recorded again.
        """
        try:
            self._verifier.verify_again(caller)
        except AccessTokenError as error:
            await self._step(caller.token).ended_by(error)
            raise

    def _step(self, presented: Secret | None) -> Step:
        return self._audit.authentication(presented, self._audience, self._scope)
