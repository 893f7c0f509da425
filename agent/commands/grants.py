"""`idaas-agent grants`: what people have approved beyond one call, what is prepared for them, and its end."""

import asyncio
import json
from contextlib import aclosing
from typing import Annotated, Any

import typer

from agent.commands.terminal import ENV_FILE, operator_settings, out, stop
from agent.settings.settings import Settings
from identity.errors import AgentError
from identity.principal import Principal


def grants(
    user: Annotated[str | None, typer.Option("--user", help="Only of this user, by their sub.")] = None,
    withdraw: Annotated[
        str | None, typer.Option("--withdraw", help="End the grant, or prepared run, of this id.")
    ] = None,
    env_file: ENV_FILE = None,
) -> None:
    """Shows the grants that count now and the prepared runs that wait, one JSON object a line, or ends one,
    in every process at once.
    """
    try:
        found = asyncio.run(_found(operator_settings(env_file), user, withdraw))
    except AgentError as error:
        stop(f"the grants cannot be read or ended: {error.detail}", "check CONVERSATIONS_URL")
    if withdraw is not None:
        if not found:
            stop(f'there is no grant or prepared run "{withdraw}"', "idaas-agent grants shows them all")
        out.print(f"withdrawn: {withdraw}")
        return
    for each in found:
        out.print(json.dumps(each), soft_wrap=True)
    if not found:
        out.print("no grant counts now, and no prepared run waits")


async def _found(settings: Settings, user: str | None, withdraw: str | None) -> list[dict[str, Any]]:
    """What counts or waits, as JSON, of which the one to `withdraw` has been ended and recorded."""
    from agent.composition.agent import Agent
    from agent.runs.prepared_runs import PreparedRuns
    from graph.approvals.record import ApprovalStatus
    from graph.approvals.request import approval_members, grant_of

    without_rules = settings.model_copy(update={"policy_file": None, "policy_url": None})
    async with aclosing(Agent(without_rules, accepts_tools=False)) as agent:
        if (grants := agent.grants) is None or (storage := agent.conversation_storage) is None:
            return []
        await agent.revocation.start()
        await agent.revocation.check_read()
        runs = PreparedRuns(settings, storage.approvals, grants.audit, grants.revocations, agent.clock, None)
        given = await storage.grants.of_all(agent.clock())
        counting = given if withdraw is not None else filter(grants.counts, given)
        shown = [(each.request, grant_of(each)) for each in counting]
        prepared = await storage.approvals.all_prepared(agent.clock())
        waiting = [each.request for each in prepared if runs.status(each) is ApprovalStatus.OPEN]
        shown += [(each, approval_members(each) | {"prepared_by": each.prepared_by}) for each in waiting]
        found = []
        for request, members in shown:
            if user in (None, request.principal.subject) and withdraw in (None, request.id):
                found.append({"user": request.principal.subject, **members})
                if withdraw is not None and (client := request.prepared_by) is not None:
                    await runs.withdraw(request.id, Principal(request.principal.issuer, client), None)
                elif withdraw is not None:
                    await grants.withdraw(request.id, request.principal, None)
        return found
