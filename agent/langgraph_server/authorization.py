"""Authentication and authorization on a LangGraph server: `langgraph dev`, LangGraph Server, or Aegra.

One object for all of them. It uses the same verifier as the other surfaces, and passes the caller's token by
reference (`token_references`), or sealed (`sealing.sealed_callers`). A thread, its runs and its state are
visible only to the user who created the thread. Assistants are read-only. Schedules and the store are closed,
because no run may outlive its caller's token and the graph uses neither.

Only the model decides which tools are called: a run takes messages as its input, or an answer to an approval
(`admission.run_admission`). No client writes the state of a thread or jumps to a node.

Both servers load a named file as a module of its own, some of them twice; this module is loaded once.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from langgraph_sdk import Auth

from agent.composition.agent import Agent
from agent.errors.error_response import RequestError, retry_after, status_of
from agent.errors.error_table import for_operators
from agent.langgraph_server.admission.run_admission import admit_run
from agent.langgraph_server.aegra.admitted_request import ADMITTED, AdmittedRequest
from agent.langgraph_server.sealing.sealed_callers import SEALED
from agent.langgraph_server.server_agent import agent_of_this_loop, server_agent
from agent.langgraph_server.token_references import REFERENCE, VERIFIED, identity_of, token_references
from identity.errors import AccessTokenError, AgentError, InsufficientScopeError, LimitError
from identity.principal import Principal
from identity.telemetry.failure_log import log_failure
from identity.telemetry.request_id import REQUEST_ID

auth = Auth()


@auth.authenticate
async def authenticate(scope: Mapping[str, Any]) -> Auth.types.MinimalUserDict:
    """The caller: from the route guard, or from `Authorization: Bearer <access token>` without a guard.

    The result contains a reference to the token, never the token. On Aegra, `scope` is a dictionary of the
    client's headers, which is not read: the guard has admitted the request, or it is refused.
    """
    if (admitted := ADMITTED.get()) is not None:
        admitted.authenticated = True
        # Aegra passes on the same object; the envelope is added to it when a run is created.
        return {"identity": identity_of(admitted.caller), SEALED: {}}  # type: ignore[typeddict-unknown-key]
    headers = scope.get("headers")
    if not isinstance(headers, Sequence) or isinstance(headers, str):
        raise Auth.exceptions.HTTPException(status_code=401, detail="the route guard is not in force")
    values = [value.decode("latin-1") for name, value in headers if name.lower() == b"authorization"]
    try:
        token = scope.get(VERIFIED) or await (await agent_of_this_loop()).admission.admit(values)
    except AgentError as error:
        log_failure(for_operators(error))
        status = 503
        if isinstance(error, AccessTokenError):
            status = 403 if isinstance(error, InsufficientScopeError) else 401
        raise Auth.exceptions.HTTPException(status_code=status, detail=str(error)) from None
    return {  # type: ignore[typeddict-unknown-key]  # further members are allowed, and reach the run
        "identity": identity_of(token),
        "is_authenticated": True,
        REFERENCE: token_references.add(token),
    }


@auth.on
async def refuse(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - anything not listed below
    """Refuses every operation that no handler below allows."""
    return False


@auth.on.threads
async def own_threads(ctx: Auth.types.AuthContext, value: Any) -> Auth.types.FilterType:  # noqa: ANN401 - of many shapes
    """Marks a thread with its owner, and filters threads, runs and states by the owner.

    Creating a run counts against the request rate; reading threads, which Studio does all the time, does not.
    """
    given: dict[str, Any] = value if isinstance(value, dict) else {}
    admitted = ADMITTED.get()
    if ctx.action == "create_run":
        await (_admit(ctx.user, given) if admitted is None else _seal(ctx.user, admitted, given))
    if ctx.action == "delete" and "thread_id" in given:
        await _withdraw_approvals(ctx.user, str(given["thread_id"]))
    # The server uses one action to change a thread's metadata, to cancel a run, and to write a state.
    # On Aegra, the guard closes the route that writes a state.
    if ctx.action == "update" and admitted is None and not {"metadata", "action"} & given.keys():
        raise Auth.exceptions.HTTPException(status_code=403, detail="the state of a thread cannot be written")
    if ctx.action in ("create", "create_run", "update"):
        # In place: the server continues with the same dictionary.
        if not isinstance(given.get("metadata"), dict):
            given["metadata"] = {}
        given["metadata"]["owner"] = ctx.user.identity
    return {"owner": ctx.user.identity}


async def _admit(user: Auth.types.BaseUser, run: dict[str, Any]) -> None:
    agent = await agent_of_this_loop()
    try:
        await admit_run(agent, _principal(agent, user), run)
    except RequestError as error:
        raise Auth.exceptions.HTTPException(error.status, f"{error.code}: {error.message}") from None
    except AgentError as error:
        log_failure(for_operators(error))
        headers = {"Retry-After": retry_after(error)} if isinstance(error, LimitError) else {}
        text = f"{error.code}: {error.for_person(REQUEST_ID.get())}"
        raise Auth.exceptions.HTTPException(status_of(error), text, headers) from None


async def _seal(user: Auth.types.BaseUser, admitted: AdmittedRequest, run: Mapping[str, Any]) -> None:
    """The middleware has checked the body of a request for a run; no other request creates one."""
    sealed_callers = (await server_agent()).sealed_callers
    if not admitted.run_admitted or sealed_callers is None:
        raise Auth.exceptions.HTTPException(status_code=403, detail="no run can be created by this request")
    sealed_callers.add(user, admitted.caller, str(run["thread_id"]))


async def _withdraw_approvals(user: Auth.types.BaseUser, thread_id: str) -> None:
    agent = await agent_of_this_loop()
    if agent.approvals is not None:
        await agent.approvals.withdraw(_principal(agent, user), thread_id, time.time())


def _principal(agent: Agent, user: Auth.types.BaseUser) -> Principal:
    return Principal(agent.settings.idaas.issuer, user.identity)


@auth.on.assistants.read
async def read_assistants(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - every caller
    """Every verified caller may read the graph."""
    return True


@auth.on.assistants.search
async def search_assistants(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - every caller
    """Every verified caller may find the graph."""
    return True
