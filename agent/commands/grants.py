"""`idaas-agent grants`: what people have approved beyond one call, and its end."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from agent.commands.revoke import kept_revocations
from agent.commands.terminal import ENV_FILE, operator_settings, out, stop
from agent.operations.revocation.store import StoreError
from agent.settings.settings import Settings
from identity.audit.event import AuditedAction, AuditOutcome
from identity.errors import AgentError

if TYPE_CHECKING:
    from graph.approvals.grants import Grant


def grants(
    user: Annotated[str | None, typer.Option("--user", help="Only of this user, by their sub.")] = None,
    withdraw: Annotated[str | None, typer.Option("--withdraw", help="End the grant of this id.")] = None,
    env_file: ENV_FILE = None,
) -> None:
    """Shows the grants that count now, one JSON object a line, or ends one, in every process at once."""
    from graph.approvals.request import grant_of

    settings = operator_settings(env_file)
    try:
        found = asyncio.run(_found(settings, user, withdraw))
    except (AgentError, StoreError) as error:
        stop(
            f"the grants cannot be read or ended: {getattr(error, 'detail', error)}",
            "check CONVERSATIONS_URL",
        )
    if withdraw is not None:
        if not found:
            stop(f'there is no grant "{withdraw}"', "idaas-agent grants shows those that count")
        out.print(f"withdrawn: {withdraw}")
        return
    for grant in found:
        out.print(json.dumps({"user": grant.request.principal.subject, **grant_of(grant)}), soft_wrap=True)
    if not found:
        out.print("no grant counts now")


async def _found(settings: Settings, user: str | None, withdraw: str | None) -> "Sequence[Grant]":
    """The grants, of which the one to `withdraw` has been ended and recorded."""
    from agent.conversations.storage import ConversationStorage
    from agent.operations.audit.configured import audit_log, audit_trail

    storage = ConversationStorage.of(settings, time.time)
    if storage is None:
        return ()
    log, revocations = audit_log(settings), await kept_revocations(settings)
    try:
        found = [
            grant
            for grant in await storage.grants.of_all(time.time())
            if user in (None, grant.request.principal.subject)
            and withdraw in (None, grant.id)
            and not grant.is_revoked(revocations)
        ]
        for grant in found if withdraw is not None else ():
            await storage.grants.withdraw(grant.request.principal, grant.id)
            step = audit_trail(settings, log).approval(
                AuditedAction.GRANT_WITHDRAWN,
                grant.request.principal,
                None,
                client="operator",
                **grant.request.audited(),
            )
            await step.ended(AuditOutcome.SUCCEEDED)
        return found
    finally:
        await storage.aclose()
        await log.aclose()
