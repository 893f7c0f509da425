"""`IssuerUnderTest`: an issuer of one's own behind the agent's broker, without IDaaS."""

import time
from collections.abc import Mapping
from typing import Any, Final

import httpx

from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.audit.event import AuditEvent
from identity.audit.trail import AuditTrail
from identity.credentials.added_issuers import AddedIssuer, AddedIssuers, Issuer, checked
from identity.credentials.broker import CredentialBroker
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import Credential, CredentialRequirement, IssuerRequirement, IssuerValue
from identity.principal import AccessIdentity, Caller
from identity.secrets.secret import Secret

_TOKEN_SECONDS: Final = 3600.0


class IssuerUnderTest:
    """An issuer as the agent uses it: its settings are checked, and what it issues is kept and renewed.

        vault = IssuerUnderTest(Vault, {"address": "http://127.0.0.1:8200"})
        credential = await vault.obtain({"path": "kv/data/ledger", "field": "key"})

    `records` are the records of the audit log. `pass_time` moves the clock of the agent and of the issuer.
    With `user_token` it receives the access token of the caller: `TOKEN-OF-` and the caller's subject. Use it
    in one event loop, and close it. Raises `ValueError` for faults of `settings`.
    """

    def __init__(
        self,
        issuer: type[Issuer[Any]],
        settings: Mapping[str, Any] | None = None,
        *,
        user_token: bool = False,
        timeout_seconds: float = 10.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """`http` sends the requests of the issuer; by default a client that trusts the public authorities."""
        self.records: Final[list[AuditEvent]] = []
        self.http: Final = http or httpx.AsyncClient()
        self._now = time.time()
        made = issuer(checked(issuer.Settings, settings or {}), http=self.http, clock=self.clock)
        self._issuers: Final = AddedIssuers(_NoIDaaS(), self.clock)
        self._issuers.add("issuer", AddedIssuer(made, user_token, timeout_seconds))
        self._broker: Final = CredentialBroker(
            self._issuers, clock=self.clock, jitter=lambda: 0.0, audit=AuditTrail(self, clock=self.clock)
        )

    def clock(self) -> float:
        """The time of the test, in unix seconds."""
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Moves the clock."""
        self._now += seconds

    async def record(self, event: AuditEvent) -> None:
        """Keeps a record of the audit log."""
        self.records.append(event)

    async def obtain(
        self, settings: Mapping[str, IssuerValue] | None = None, caller: Caller | None = None
    ) -> Credential:
        """The credential that a service with these `settings` gets: of `caller` under Human identity; of the
        agent without one.

        Raises `ValueError` for faults of `settings`, `CredentialError` if the issuer refuses, and
        `UnreachableError` if there is no usable response.
        """
        requirement = IssuerRequirement("issuer", settings or {})
        if fault := self._issuers.fault(requirement):
            raise ValueError(fault)
        identity = AccessIdentity.MACHINE if caller is None else AccessIdentity.HUMAN
        return await self._broker.obtain(requirement, identity, self._verified(caller))

    async def check(self) -> str | None:
        """The line of `idaas-agent doctor` about the issuer. Raises as `obtain` does."""
        return await self._issuers.check("issuer")

    async def settled(self) -> None:
        """Waits for renewals in the background."""
        await self._broker.settled()

    def revoke(self, caller: Caller) -> None:
        """Ends the rights of a user: what was issued for them is forgotten."""
        self._broker.forget_users(lambda _, principal: principal == caller.principal)

    async def aclose(self) -> None:
        """Ends requests in progress, and closes the issuer and the client."""
        await self._broker.aclose()
        await self._issuers.aclose()
        await self.http.aclose()

    def _verified(self, caller: Caller | None) -> VerifiedAccessToken | None:
        if caller is None:
            return None
        return assume_verified(
            principal=caller.principal,
            audience=("agent",),
            scopes=frozenset(),
            expires_at=self._now + _TOKEN_SECONDS,
            fingerprint=caller.subject,
            token=Secret(f"TOKEN-OF-{caller.subject}"),
            claims=caller.claims,
        )


class _NoIDaaS:
    """Nothing is obtained from IDaaS here."""

    def prerequisite(self, requirement: CredentialRequirement) -> None:
        """See `CredentialIssuer`."""

    async def issue(self, requirement: CredentialRequirement, *_: object) -> IssuedCredential:
        """See `CredentialIssuer`. Raises `LookupError`."""
        raise LookupError(f"an issuer under test issues no {requirement.kind}")
