"""Who a run acts for: the verified caller, asked for anew by every node that acts."""

from typing import Protocol

from langgraph.runtime import Runtime

from graph.context import AgentContext, TokenLookup
from graph.error_codes import GraphCode
from graph.state import PrincipalRecord
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AccessTokenError
from identity.secret import Secret


class Verifier(Protocol):
    """Verifies access tokens; `AccessTokenVerifier` is the real one."""

    async def verify(self, token: Secret) -> VerifiedAccessToken:
        """Raises `AccessTokenError` for a token that does not admit its bearer."""
        ...


class Callers:
    """Finds and verifies the caller of a run.

    A node never trusts the principal that it finds in the state: a resumed run starts in the middle, with
    another caller perhaps. A token that was verified before costs microseconds.
    """

    def __init__(self, verifier: Verifier, token_of: TokenLookup) -> None:
        self._verifier = verifier
        self._token_of = token_of

    async def of(self, runtime: Runtime[AgentContext]) -> VerifiedAccessToken:
        """The caller of this run. Raises `AccessTokenError`."""
        token = self._token_of(runtime)
        if token is None:
            raise AccessTokenError(
                GraphCode.ACCESS_TOKEN_MISSING, "the run has no access token of its caller"
            )
        return await self._verifier.verify(token)


def principal_record(caller: VerifiedAccessToken) -> PrincipalRecord:
    """The caller as the state keeps it: without the token."""
    return {"issuer": caller.principal.issuer, "subject": caller.principal.subject}
