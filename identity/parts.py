"""The parts of identity, made from its settings in one place: for the server and for the library."""

import ssl
import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from functools import cached_property
from typing import Final, Protocol

from http1.transport import PoolUse
from identity.access_token.revocation_list import RevocationList
from identity.access_token.verifier import REVOCATION_REACH, AccessTokenVerifier, VerificationMeasures
from identity.audit.log import AuditMeasures
from identity.credentials.added_issuers import AddedIssuers
from identity.credentials.broker import CredentialBroker
from identity.credentials.measures import CredentialMeasures
from identity.idaas.client import IDaaSClient
from identity.observation.metrics import Metrics
from identity.settings.audit_log import audit_log, audit_trail
from identity.settings.settings import IdentitySettings
from identity.signing_keys.jwks import Jwks
from identity.transport.client import http_client

_HTTP_SECONDS: Final = 10.0


class IdentityMeasures(Protocol):
    """The counters of the parts of identity."""

    @property
    def audit(self) -> AuditMeasures:
        """The audit log's."""

    @property
    def credentials(self) -> CredentialMeasures:
        """The broker's, and those of requests for signing keys."""

    @property
    def verifications(self) -> VerificationMeasures:
        """The verifier's."""


class UnseenMeasures:
    """Measures that nobody reads."""

    def __init__(self) -> None:
        metrics = Metrics()
        self.audit: Final = AuditMeasures(metrics)
        self.credentials: Final = CredentialMeasures(metrics)
        self.verifications: Final = VerificationMeasures(metrics)


class IdentityParts:
    """Verifies callers, obtains their credentials, and records both. For one event loop.

    A setting of callers is read when the verifier or its keys are first used, and no earlier: a part of the
    agent that knows no caller needs none.
    """

    def __init__(
        self,
        settings: IdentitySettings,
        tls: ssl.SSLContext | None = None,
        *,
        clock: Callable[[], float] = time.time,
        measures: IdentityMeasures | None = None,
        revocations: RevocationList | None = None,
        kept_claims: Collection[str] = (),
    ) -> None:
        """Makes the parts; opens no connection. `tls` is what they trust; by default what the settings say.

        `revocations` are those in force, which the verifier consults; by default there are none. Verified
        tokens keep `kept_claims`, and those that the settings name.
        """
        self.settings: Final = settings
        self.clock: Final = clock
        self.tls: Final = tls or ssl.create_default_context(cafile=settings.ssl_cert_file)
        self.revocations: Final = (
            RevocationList(reach=REVOCATION_REACH, clock=clock) if revocations is None else revocations
        )
        self._kept_claims: Final = kept_claims
        self._measures: Final = measures or UnseenMeasures()
        self.pool: Final = PoolUse()
        """The connections of `http`."""
        self.http: Final = http_client(self.tls, _HTTP_SECONDS, self.pool)
        self.audit_log: Final = audit_log(settings, self._measures.audit, clock)
        self.audit: Final = audit_trail(settings, self.audit_log, clock)
        self.idaas: Final = IDaaSClient(settings.idaas, self.http, clock=clock)
        self.issuers: Final = AddedIssuers(self.idaas, clock)
        """IDaaS, and the issuers that operators add beside it."""
        self.broker: Final = CredentialBroker(
            self.issuers, clock=clock, audit=self.audit, measures=self._measures.credentials
        )
        self.users: Final = AsyncExitStack()
        """Closes what others have opened for the same event loop, before the parts that it uses."""

    @cached_property
    def keys(self) -> Jwks:
        """The signing keys of IDaaS."""
        fetches = self._measures.credentials.requests
        return Jwks(self.settings.jwks_url, self.http, clock=self.clock, fetches=fetches)

    @cached_property
    def verifier(self) -> AccessTokenVerifier:
        """Verifies the access tokens of callers, as the settings say."""
        return self._verifier(None)

    def verifier_of_clients(self, scope: str) -> AccessTokenVerifier:
        """Verifies the access tokens of clients that have `scope`, and of no person."""
        return self._verifier(scope)

    def _verifier(self, of_clients: str | None) -> AccessTokenVerifier:
        settings = self.settings
        return AccessTokenVerifier(
            issuer=settings.idaas.issuer,
            audience=settings.agent_audience,
            scope=of_clients or settings.agent_scope,
            keys=self.keys,
            clients=[settings.idaas.client_id, *settings.client_ids.split()],
            allow_clients=of_clients is not None or settings.allow_client_callers,
            allow_people=of_clients is None,
            kept_claims=[*settings.caller_claims.split(), *self._kept_claims],
            revocations=self.revocations,
            clock=self.clock,
            measures=self._measures.verifications,
        )

    async def aclose(self) -> None:
        """Closes all connections, and ends the audit log."""
        await self.users.aclose()
        await self.broker.aclose()
        await self.issuers.aclose()
        if "keys" in self.__dict__:
            await self.keys.aclose()
        await self.http.aclose()
        await self.audit_log.aclose()
