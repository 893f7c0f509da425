"""`idaas-agent grants`: what people have approved beyond one call, what no run asks them, and its end."""

import asyncio
import json
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.commands.help_panels import WITHDRAW, listed_in
from agent.commands.no_access import NO_ACCESS
from agent.commands.revoke import stored_revocations
from agent.commands.terminal import ENV_FILE, operator_settings, out, stop
from agent.operations.revocation.store import StoreError
from agent.settings.settings import Settings
from identity.audit.trail import AuditTrail
from identity.errors import AgentError, ConfigurationError

if TYPE_CHECKING:
    from agent.api.question_source import Withdrawable
    from agent.conversations.storage import ConversationStorage
    from graph.approvals.grants import Grant, Grants
    from tools.service import Service


@listed_in(WITHDRAW)
def grants(
    user: Annotated[str | None, typer.Option("--user", help="Only of this user, by their sub.")] = None,
    withdraw: Annotated[
        str | None, typer.Option("--withdraw", help="End the grant, or question, of this id.")
    ] = None,
    env_file: ENV_FILE = None,
) -> None:
    """Shows the grants that count now and the questions that wait and no run asks, as prepared runs do, one
    JSON object a line, or ends one, in every process at once.
    """
    settings = operator_settings(env_file)
    try:
        listed = asyncio.run(_listed(settings, user, withdraw))
    except ConfigurationError:
        raise
    except AgentError as error:
        stop(f"the grants cannot be read or ended: {error.detail}", "check CONVERSATIONS_URL")
    except StoreError as error:
        stop(f"the revocations cannot be read, which end grants: {error}")
    if withdraw is not None:
        if not listed:
            stop(f'there is no grant or question "{withdraw}"', "idaas-agent grants shows them all")
        out.print(f"withdrawn: {withdraw}")
        return
    for entry in listed:
        out.print(json.dumps(entry), soft_wrap=True)
    if not listed:
        out.print("no grant counts now, and no question waits that no run asks")


async def _listed(settings: Settings, user: str | None, withdraw: str | None) -> list[dict[str, Any]]:
    """The grants that count and the questions that wait, as JSON. The one to `withdraw` was ended."""
    from agent.api.question_source import StoredParts, installed_sources
    from agent.composition.extensions import services
    from agent.conversations.storage import ConversationStorage
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
        stored = await storage.grants.of_all(time.time())
        counting = stored if withdraw is not None else filter(grants.counts, stored)
        entries = [_of_grant(grants, grant) for grant in counting]
        parts = StoredParts(settings, storage, audit, grants.revocations, time.time)
        for source in installed_sources():
            entries += await source.withdrawable(parts)
        selected = list(_selected(entries, user, withdraw))
        if withdraw is not None:
            for entry in selected:
                await entry.withdraw()
        return [{"user": entry.user, **entry.members} for entry in selected]


def _of_grant(grants: "Grants", grant: "Grant") -> "Withdrawable":
    from agent.api.question_source import Withdrawable

    principal = grant.request.principal
    withdraw = partial(grants.withdraw, grant.id, principal, None)
    return Withdrawable(grant.id, principal.subject, grant.members(), withdraw)


def _selected(
    entries: Sequence["Withdrawable"], user: str | None, only: str | None
) -> Iterator["Withdrawable"]:
    """The grants of `user`, and the one of the id `only`; `None`: all."""
    for entry in entries:
        if user in (None, entry.user) and only in (None, entry.id):
            yield entry


async def stored_grants(
    settings: Settings, storage: "ConversationStorage", services: Sequence["Service"], audit: AuditTrail
) -> "Grants":
    """The grants of `storage`, which count by the `services` and by what is revoked now. Their withdrawal is
    recorded in `audit`. Raises `StoreError` if the revocations cannot be read.
    """
    from agent.composition.kept import grants_of

    revocations = await stored_revocations(settings)
    return grants_of(storage, services, lambda *_: NO_ACCESS, revocations, audit, time.time)
