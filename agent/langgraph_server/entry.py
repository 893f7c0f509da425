"""The entry for LangGraph Server and Studio (`langgraph.json`): the graph, and who may use what.

The same verifier as on the other surfaces, and the caller's token by reference
(`agent.langgraph_server.token_references`).
Threads, their runs and state belong to the user who made the thread; others do not see them. Assistants can
be read by all and changed by nobody; schedules and the store are closed, because no run may outlive its
caller's token and nothing of ours uses them.

Only the model decides which tools are called. So a run takes messages as its input, and no `command`, which
could write its state and send it to any node; and the state of a thread cannot be written.
"""

from collections.abc import Mapping
from typing import Any

from langgraph.pregel import Pregel
from langgraph_sdk import Auth

from agent.api.errors import retry_after
from agent.langgraph_server.token_references import (
    REFERENCE,
    VERIFIED,
    agent_of_this_loop,
    held_tokens,
    identity_of,
)
from identity.access_token.verified_access_token import Principal
from identity.errors import AccessTokenError, AgentError, InsufficientScopeError, LimitError
from identity.failure_log import log_failure

auth = Auth()


async def agent() -> Pregel[Any, Any, Any, Any]:
    """The graph. Nothing is read or opened before the server first asks for it."""
    return (await agent_of_this_loop()).graph


@auth.authenticate
async def authenticate(scope: Mapping[str, Any]) -> Auth.types.MinimalUserDict:
    """Who calls, as the wall found out, or by `Authorization: Bearer <access token>` where there is no wall.

    The token itself does not leave this function.
    """
    headers = scope["headers"]
    values = [value.decode("latin-1") for name, value in headers if name.lower() == b"authorization"]
    try:
        token = scope.get(VERIFIED) or await (await agent_of_this_loop()).admission.admit(values)
    except AgentError as error:
        log_failure(error)
        status = 503
        if isinstance(error, AccessTokenError):
            status = 403 if isinstance(error, InsufficientScopeError) else 401
        raise Auth.exceptions.HTTPException(status_code=status, detail=str(error)) from None
    return {  # type: ignore[typeddict-unknown-key]  # further members are allowed, and reach the run
        "identity": identity_of(token),
        "is_authenticated": True,
        REFERENCE: held_tokens.hold(token),
    }


@auth.on
async def refuse(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - anything not listed below
    """Everything that is not allowed below."""
    return False


@auth.on.threads
async def own_threads(ctx: Auth.types.AuthContext, value: Any) -> Auth.types.FilterType:  # noqa: ANN401 - of many shapes
    """A thread is marked with its owner, and seen by nobody else; its runs and state with it.

    To create a run counts as a request; to look at threads, as Studio does all the time, does not.
    """
    given: Mapping[str, Any] = value if isinstance(value, dict) else {}
    if ctx.action == "create_run":
        if (given.get("kwargs") or {}).get("command"):
            raise _refusal("a run takes no command, only input")
        await _count(ctx.user)
    # The server asks in the same words for a thread's metadata, to cancel a run, and to write a state.
    if ctx.action == "update" and not {"metadata", "action"} & given.keys():
        raise _refusal("the state of a thread cannot be written")
    if isinstance(value, dict) and ctx.action in ("create", "create_run", "update"):
        # In place: the server goes on with the dictionary that it gave us.
        if not isinstance(value.get("metadata"), dict):
            value["metadata"] = {}
        value["metadata"]["owner"] = ctx.user.identity
    return {"owner": ctx.user.identity}


def _refusal(why: str) -> Exception:
    return Auth.exceptions.HTTPException(status_code=403, detail=why)


async def _count(user: Auth.types.BaseUser) -> None:
    agent = await agent_of_this_loop()
    try:
        await agent.request_rate.count(Principal(agent.settings.idaas.issuer, user.identity))
    except LimitError as error:
        log_failure(error)
        headers = {"Retry-After": retry_after(error)}
        raise Auth.exceptions.HTTPException(429, str(error), headers) from None


@auth.on.assistants.read
async def read_assistants(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - for everybody
    """The graph may be looked at."""
    return True


@auth.on.assistants.search
async def search_assistants(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - for everybody
    """The graph may be found."""
    return True
