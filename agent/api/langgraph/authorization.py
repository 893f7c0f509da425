"""Authentication and authorization on a LangGraph server: `langgraph dev`, LangGraph Server, or Aegra.

One object for all of them. The route guard verifies the caller (`route_guard`); the server stores a
reference to their token (`token_references`), or the token sealed (`sealed_callers`). A thread, its
runs and its state are visible only to the user who created the thread. Assistants are read-only. Schedules
and the store are closed, because no run may outlive its caller's token and the graph uses neither.

Only the model decides which tools are called: a run takes messages as its input, or an answer to an approval
(`run_request_guard`). No client writes the state of a thread or jumps to a node.

Both servers load a named file as a module of its own, some of them twice; this module is loaded once.
"""

import time
from collections.abc import Mapping
from typing import Any

from langgraph_sdk import Auth

from agent.api.langgraph.admitted_request import ADMITTED, AdmittedRequest
from agent.api.langgraph.sealed_callers import SEALED, USER_DEVICE
from agent.api.langgraph.server_agent import agent_of_this_loop, server_agent
from idaas_agent.library.token_references import REFERENCE, identity_of, token_references
from identity.observation.request_context import DEVICE
from identity.principal import Principal

auth = Auth()


@auth.authenticate
async def authenticate(scope: Mapping[str, Any]) -> Auth.types.MinimalUserDict:  # noqa: ARG001 - clients send it
    """The caller whom the route guard has verified. Without a guard, every request is refused.

    The result contains a reference to the token, or a place for its envelope, never the token.
    """
    if (admitted := ADMITTED.get()) is None:
        raise Auth.exceptions.HTTPException(status_code=401, detail="the route guard is not in force")
    admitted.authenticated = True
    # Aegra passes on the same object; the envelope is added to it when a run is created.
    further: dict[str, Any] = {USER_DEVICE: DEVICE.get(), SEALED: {}}
    if not admitted.sealed:
        further[REFERENCE] = token_references.add(admitted.caller)
    return {"identity": identity_of(admitted.caller), "is_authenticated": True, **further}  # type: ignore[typeddict-item]  # the servers take more members than they declare


@auth.on
async def refuse(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - anything not listed below
    """Refuses every operation that no handler below allows."""
    return False


@auth.on.threads
async def own_threads(ctx: Auth.types.AuthContext, value: Any) -> Auth.types.FilterType:  # noqa: ANN401 - of many shapes
    """Marks a thread with its owner, and filters threads, runs and states by the owner."""
    given: dict[str, Any] = value if isinstance(value, dict) else {}
    admitted = ADMITTED.get()
    if ctx.action == "create_run":
        await _create_run(ctx.user, admitted, given)
    if ctx.action == "delete" and "run_id" in given:
        raise _refused("the messages of a run are not taken back: delete its thread")
    if ctx.action == "delete" and "thread_id" in given:
        agent = await agent_of_this_loop()
        if agent.kept is not None:
            storage = agent.kept.storage
            thread_id = str(given["thread_id"])
            principal = Principal(agent.settings.idaas.issuer, ctx.user.identity)
            await storage.approvals.withdraw(principal, thread_id, time.time())
            await storage.grants.end_in(principal, thread_id)
    # The server uses one action to change a thread's metadata, to cancel a run, and to write a state.
    # On Aegra, the guard closes the route that writes a state.
    if ctx.action == "update":
        sealed = admitted is not None and admitted.sealed
        if not sealed and not {"metadata", "action"} & given.keys():
            raise _refused("the state of a thread cannot be written")
        if given.get("action") == "rollback":
            raise _refused("the messages of a run are not taken back: cancel it with another action")
    if ctx.action in ("create", "create_run", "update"):
        # In place: the server continues with the same dictionary.
        if not isinstance(given.get("metadata"), dict):
            given["metadata"] = {}
        given["metadata"]["owner"] = ctx.user.identity
    return {"owner": ctx.user.identity}


def _refused(why: str) -> Exception:
    return Auth.exceptions.HTTPException(status_code=403, detail=why)


async def _create_run(
    user: Auth.types.BaseUser, admitted: AdmittedRequest | None, run: dict[str, Any]
) -> None:
    """Only a request that was judged creates one (`run_request_guard`)."""
    sealed_callers = (await server_agent()).sealed_callers
    if admitted is None or admitted.run is None or (admitted.sealed and sealed_callers is None):
        raise _refused("no run can be created by this request")
    if admitted.sealed and sealed_callers is not None:
        sealed_callers.add(user, admitted.caller, str(run["thread_id"]), admitted.run)
    else:
        # The context of a run is the agent's: it names the thread of an approval, among others. In the
        # event-streaming protocol the server would make one of the configuration.
        run["kwargs"]["context"] = {"kept": not run["kwargs"].get("temporary", False)}


@auth.on.assistants.read  # type: ignore[arg-type]  # it takes the values of both
@auth.on.assistants.search
async def read_assistants(ctx: Auth.types.AuthContext, value: Any) -> bool:  # noqa: ANN401, ARG001 - every caller
    """Every verified caller may find and read the graph."""
    return True
