"""The auth handler of an application on LangGraph Server (`langgraph dev`) or Aegra, which `"auth"` names.

The server's user has a reference to the caller's access token, never the token: it is stored with each run.
A thread, its runs and its state are visible to the user who created the thread, and to nobody else.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast

from langgraph_sdk import Auth

from idaas_agent.library.bearer import bearer_token, challenge
from idaas_agent.library.run_context import MEMBER
from idaas_agent.library.settings import LibrarySettings
from idaas_agent.library.token_references import REFERENCE, identity_of, token_references
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AccessTokenError, AgentError, InsufficientScopeError
from identity.secrets.secret import Secret

Admit = Callable[[Secret], Awaitable[VerifiedAccessToken]]
_AUTHORIZATION: Final = "authorization"


def auth_handler(settings: LibrarySettings, admit: Admit) -> Auth:
    """The handler of one `Identity`, whose requests `admit` verifies and records.

    Every caller may read the graphs of the server. Schedules, the store and what else the server has are
    closed: no run may outlive its caller's token.
    """
    auth = Auth()

    @auth.authenticate
    async def authenticate(headers: Mapping[str | bytes, str | bytes]) -> Auth.types.MinimalUserDict:
        """The verified caller of the request."""
        given = [_text(value) for name, value in headers.items() if _text(name).lower() == _AUTHORIZATION]
        try:
            caller = await admit(bearer_token(given))
        except AgentError as error:
            raise _refusal(error, settings) from None
        user: Any = {"identity": identity_of(caller), "is_authenticated": True}
        user[REFERENCE] = token_references.add(caller)
        return cast(Auth.types.MinimalUserDict, user)

    @auth.on
    async def refuse(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - anything else
        """Refuses every operation that no handler below allows."""
        return False

    @auth.on.threads
    async def own_threads(ctx: Auth.types.AuthContext, value: Any) -> Auth.types.FilterType:  # noqa: ANN401 - of many shapes
        """Marks a thread with its owner, and filters threads, runs and states by the owner."""
        given: dict[str, Any] = value if isinstance(value, dict) else {}
        if ctx.action == "create_run":
            _refuse_token(given)
        if ctx.action in ("create", "create_run", "update"):
            # In place: the server continues with the same dictionary.
            if not isinstance(given.get("metadata"), dict):
                given["metadata"] = {}
            given["metadata"]["owner"] = ctx.user.identity
        return {"owner": ctx.user.identity}

    @auth.on.assistants.read  # type: ignore[arg-type]  # it takes the values of both
    @auth.on.assistants.search
    async def read_assistants(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - every caller
        """Every verified caller may find and read the graphs."""
        return True

    return auth


def _text(header: str | bytes) -> str:
    """LangGraph Server gives headers as bytes, and Aegra as texts."""
    return header.decode("latin-1") if isinstance(header, bytes) else header


def _refuse_token(run: dict[str, Any]) -> None:
    """A token in the context of a run would be stored with it, and is not whom the request is for. LangGraph
    Server has the context among the `kwargs` of a run, Aegra beside its other members, or among the `params`
    of a command. Both take `configurable` for the context, too.
    """
    for holder in (run, _member(run, "kwargs"), _member(run, "params")):
        configurable = _member(_member(holder, "config"), "configurable")
        if MEMBER in _member(holder, "context") or MEMBER in configurable:
            detail = f'the context must have no "{MEMBER}": the run acts for the caller of the request'
            raise Auth.exceptions.HTTPException(status_code=403, detail=detail)


def _member(holder: dict[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, dict) else {}


def _refusal(error: AgentError, settings: LibrarySettings) -> Exception:
    status = 503
    if isinstance(error, AccessTokenError):
        status = 403 if isinstance(error, InsufficientScopeError) else 401
    headers = challenge(error, settings.agent_audience, settings.agent_scope)
    return Auth.exceptions.HTTPException(status_code=status, detail=error.for_person(), headers=headers)
