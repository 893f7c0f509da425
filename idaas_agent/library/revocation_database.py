"""The agent's database of revocations, which an application follows: what operators and IDaaS revoke.

There it also says that it lives, and what goes on in it after a stop. The store and its enforcement are the
server's, and imported only for this.
"""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from idaas_agent.extras import named_extra
from idaas_agent.library.settings import LibrarySettings
from identity.access_token.revocation import Revocation
from identity.errors import UnreachableError
from identity.parts import IdentityParts

if TYPE_CHECKING:
    from agent.operations.revocation.enforcer import RevocationEnforcer
    from idaas_agent.library.governed_calls import KnownCalls


@dataclass(frozen=True, slots=True)
class RevocationDatabase:
    """Enforces what the database has, until the parts of identity are closed."""

    enforcer: "RevocationEnforcer"

    @classmethod
    async def followed(
        cls, settings: LibrarySettings, parts: IdentityParts, known: "KnownCalls"
    ) -> Self | None:
        """Follows the database that the settings name; `None` if they name none.

        Until it was read, no access token is accepted. Raises `MissingExtraError` if it is a PostgreSQL whose
        package is not installed.
        """
        if settings.revocations_file is None and settings.conversations_url is None:
            return None
        from agent.operations.revocation.database_store import database_store
        from agent.operations.revocation.enforcer import RevocationEnforcer
        from agent.operations.revocation.stop_reports import DatabaseReports, StopReporter

        file = settings.revocations_file
        url = settings.conversations_url
        with named_extra("CONVERSATIONS_URL with a PostgreSQL"):
            store = database_store(file, url, settings.ssl_cert_file)
        enforcer = RevocationEnforcer(
            parts.revocations,
            [store],
            forget_users=parts.broker.forget_users,
            end_runs=lambda *_: 0,  # the callers of an application's runs are verified at each use
            audit=parts.audit,
            issuer=settings.idaas.issuer,
        )
        await enforcer.start()
        parts.users.push_async_callback(enforcer.aclose)
        if known.stops is not None:
            reporter = StopReporter(
                known.stops,
                DatabaseReports(store.database, parts.clock, shared=store.shared),
                secrets.token_hex(16),
                clock=parts.clock,
                tools=known.tool_names,
                is_agent=False,
            )
            parts.revocations.listeners.append(reporter.heard)
            parts.users.callback(parts.revocations.listeners.remove, reporter.heard)
            parts.users.push_async_callback(reporter.aclose)
            reporter.start()
        return cls(enforcer)

    async def put(self, revocation: Revocation) -> None:
        """Enforces, stores and records it. Raises `UnreachableError` if it could not be stored: here it is in
        force.
        """
        from agent.errors.error_codes import AgentCode
        from agent.operations.revocation.store import StoreError

        try:
            await self.enforcer.put([revocation])
        except StoreError as error:
            raise UnreachableError(AgentCode.REVOCATIONS_UNAVAILABLE, str(error)) from None
