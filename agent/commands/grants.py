"""`idaas-agent grants`: what people have approved beyond one call, what is prepared for them, and its end."""

import asyncio
import json
import time
from typing import Annotated, Any

import typer

from agent.commands.revoke import kept_revocations
from agent.commands.terminal import ENV_FILE, operator_settings, out, stop
from agent.operations.revocation.store import StoreError
from agent.settings.settings import Settings
from identity.audit.event import AuditedAction, AuditOutcome
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
    settings = operator_settings(env_file)
    try:
        found = asyncio.run(_found(settings, user, withdraw))
    except (AgentError, StoreError) as error:
        reason = getattr(error, "detail", error)
        stop(f"the grants cannot be read or ended: {reason}", "check CONVERSATIONS_URL")
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
    from agent.conversations.storage import ConversationStorage
    from agent.operations.audit.configured import audit_log, audit_trail
    from agent.runs.prepared_runs import PreparedRuns
    from graph.approvals.record import ApprovalRequest, ApprovalStatus
    from graph.approvals.request import approval_members, grant_of

    storage = ConversationStorage.of(settings, time.time)
    if storage is None:
        return []
    log, revocations = audit_log(settings), await kept_revocations(settings)
    trail, now = audit_trail(settings, log), time.time()
    runs = PreparedRuns(settings, storage.approvals, trail, revocations, time.time, None)

    def asked_for(request: ApprovalRequest) -> bool:
        return user in (None, request.principal.subject) and withdraw in (None, request.id)

    try:
        all_grants, all_prepared = await storage.grants.of_all(now), await storage.approvals.all_prepared(now)
        found = [each for each in all_grants if asked_for(each.request) and not each.is_revoked(revocations)]
        prepared = [each.request for each in all_prepared if runs.status(each) is ApprovalStatus.OPEN]
        prepared = [each for each in prepared if asked_for(each)]
        for request in (each.request for each in found) if withdraw is not None else ():
            await storage.grants.withdraw(request.principal, request.id)
            about = {"client": "operator", **request.audited()}
            step = trail.approval(AuditedAction.GRANT_WITHDRAWN, request.principal, None, **about)
            await step.ended(AuditOutcome.SUCCEEDED)
        for request in prepared if withdraw is not None else ():
            client = Principal(request.principal.issuer, request.prepared_by or "")
            await runs.withdraw(request.id, client, None)
        shown = [(each.request, grant_of(each)) for each in found]
        shown += [(each, {**approval_members(each), "prepared_by": each.prepared_by}) for each in prepared]
        return [{"user": request.principal.subject, **members} for request, members in shown]
    finally:
        await storage.aclose()
        await log.aclose()
