"""`Depends(identity.user)`: the verified caller of a request to an application on FastAPI."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from fastapi import HTTPException
from fastapi.requests import HTTPConnection

from idaas_agent.library.bearer import bearer_token, challenge
from idaas_agent.library.run_context import acting
from idaas_agent.library.settings import LibrarySettings
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AccessTokenError, AgentError, InsufficientScopeError
from identity.principal import Caller
from identity.secrets.secret import Secret

_RETRY_AFTER: Final = {"Retry-After": "5"}

UserDependency = Callable[[Any], AsyncIterator[Caller]]


def user_dependency(
    owner: object, settings: LibrarySettings, admit: Callable[[Secret], Awaitable[VerifiedAccessToken]]
) -> UserDependency:
    """The dependency of one `Identity`, whose requests `admit` verifies and records.

    It responds 401 or 403 with RFC 6750's challenge, and 503 while callers cannot be verified. Until the
    response is sent, the code of the request acts for the caller; a task that outlives it acts for nobody.
    """

    async def user(connection: HTTPConnection) -> AsyncIterator[Caller]:
        """The verified caller of the request, or of the socket."""
        try:
            caller = await admit(bearer_token(connection.headers.getlist("authorization")))
        except AgentError as error:
            raise _refusal(error, settings) from None
        with acting(owner, caller.token, until_end=True):
            yield caller.caller

    return user


def _refusal(error: AgentError, settings: LibrarySettings) -> HTTPException:
    """The response to a request whose caller is not admitted."""
    if not isinstance(error, AccessTokenError):
        return HTTPException(503, error.for_person(), _RETRY_AFTER)
    status = 403 if isinstance(error, InsufficientScopeError) else 401
    headers = challenge(error, settings.agent_audience, settings.agent_scope)
    return HTTPException(status, error.for_person(), headers)
