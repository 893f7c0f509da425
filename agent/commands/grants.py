"""`idaas-agent grants`: what people have approved beyond one call, what is prepared for them, and its end."""

import asyncio
import json
import ssl
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands.no_access import NO_ACCESS
from agent.commands.revoke import stored_revocations
from agent.commands.terminal import ENV_FILE, operator_settings, out, stop
from agent.operations.revocation.store import StoreError
from agent.settings.settings import Settings
from identity.audit.trail import AuditTrail
from identity.errors import AgentError, ConfigurationError
from identity.principal import Principal

if TYPE_CHECKING:
    from agent.conversations.storage import ConversationStorage
    from graph.approvals.grants import Grants
    from tools.service import Service


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
        listed = asyncio.run(_found(settings, user, withdraw))
    except ConfigurationError:
        raise
    except AgentError as error:
        stop(f"the grants cannot be read or ended: {error.detail}", "check CONVERSATIONS_URL")
    except StoreError as error:
        stop(f"the revocations cannot be read, which end grants: {error}")
    if withdraw is not None:
        if not listed:
            stop(f'there is no grant or prepared run "{withdraw}"', "idaas-agent grants shows them all")
        out.print(f"withdrawn: {withdraw}")
        return
    for entry in listed:
        out.print(json.dumps(entry), soft_wrap=True)
    if not listed:
        out.print("no grant counts now, and no prepared run waits")


async def _found(settings: Settings, user: str | None, withdraw: str | None) -> list[dict[str, Any]]:
    """The grants that count and the prepared runs that wait, as JSON. The one to `withdraw` was ended."""
    from agent.composition.extensions import services
    from agent.conversations.storage import ConversationStorage
    from agent.runs.prepared_runs import PreparedRuns
    from graph.approvals.grants import grant_members
    from graph.approvals.prepared_run import client_of
    from graph.approvals.record import ApprovalStatus
    from graph.approvals.request import approval_members
    from identity.settings.audit_log import audit_log, audit_trail

    if (storage := ConversationStorage.of(settings, time.time)) is None:
        return []
    tls = ssl.create_default_context(cafile=settings.ssl_cert_file)
    made = services(settings, tls, accepts_tools=False)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(aclosing(storage))
        audit = AuditTrail()
        if withdraw is not None:
            log = await stack.enter_async_context(aclosing(audit_log(settings)))
            audit = audit_trail(settings, log)
        grants = await stored_grants(settings, storage, made, audit)
        runs = PreparedRuns(settings, storage.prepared, audit, grants.revocations, time.time)
        stored = await storage.grants.of_all(time.time())
        counting = stored if withdraw is not None else filter(grants.counts, stored)
        entries = [(grant.request, grant_members(grant)) for grant in counting]
        prepared = await storage.prepared.waiting_for_all(time.time())
        for state in prepared:
            if runs.status(state) is ApprovalStatus.OPEN:
                members = approval_members(state.request) | {"prepared_by": client_of(state.request)}
                entries.append((state.request, members))
        listed = []
        for request, members in entries:
            if user in (None, request.principal.subject) and withdraw in (None, request.id):
                listed.append({"user": request.principal.subject, **members})
                if withdraw is not None and (client := client_of(request)) is not None:
                    await runs.withdraw(request.id, Principal(request.principal.issuer, client), None)
                elif withdraw is not None:
                    await grants.withdraw(request.id, request.principal, None)
        return listed


async def stored_grants(
    settings: Settings, storage: "ConversationStorage", services: Sequence["Service"], audit: AuditTrail
) -> "Grants":
    """The grants of `storage`, which count by the `services` and by what is revoked now. Their withdrawal is
    recorded in `audit`. Raises `StoreError` if the revocations cannot be read.
    """
    from graph.approvals.grants import Grants

    by_name = {service.name: service for service in services}
    revocations = await stored_revocations(settings)
    return Grants(storage.grants, by_name, lambda *_: NO_ACCESS, revocations, audit, time.time)
