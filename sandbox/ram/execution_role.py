"""The agent's execution role: Function Compute, ECS and the cluster give out its temporary credentials."""

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.addresses import INSTANCE
from sandbox.federation.instance_document import ACCOUNT, REGION
from sandbox.ram.policy import Decision, Policy, Statement

ROLE = "agent-execution-role"
ROLE_ARN = f"acs:ram::{ACCOUNT}:role/{ROLE}"
OIDC_PROVIDER_ARN = f"acs:ram::{ACCOUNT}:oidc-provider/sandbox-cluster"
FUNCTION_LIFETIME = 36 * 3600
"""Seconds for which the credentials in a function's environment are good."""
_RENEW_BEFORE = 900


@dataclass(frozen=True, slots=True)
class StsCredential:
    """Temporary credentials of the role. Times are unix seconds."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(repr=False)
    expires_at: float


class ExecutionRole:
    """The role, its policy, and the credentials that were issued for it."""

    policy: Policy

    def __init__(self, application: str, clock: Callable[[], float]) -> None:
        self._application = application
        self._clock = clock
        self._issued: dict[str, StsCredential] = {}
        self._current: dict[str, StsCredential] = {}
        self._ended: set[str] = set()
        self.reset()

    def issue(self, lifetime: float) -> StsCredential:
        """New credentials that end after `lifetime` seconds."""
        credential = StsCredential(
            f"STS.{secrets.token_hex(12)}",
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(96),
            self._clock() + lifetime,
        )
        self._issued[credential.access_key_id] = credential
        return credential

    def current(self, source: str, lifetime: float) -> StsCredential:
        """The credentials that `source` gives out; the same again until 15 minutes before they end."""
        known = self._current.get(source)
        if known is None or self.expired(known) or known.expires_at - self._clock() <= _RENEW_BEFORE:
            known = self._current[source] = self.issue(lifetime)
        return known

    def find(self, access_key_id: str) -> StsCredential | None:
        """The credentials with this id, also if they have expired."""
        return self._issued.get(access_key_id)

    def issued(self) -> tuple[StsCredential, ...]:
        """All credentials so far, oldest first."""
        return tuple(self._issued.values())

    def expired(self, credential: StsCredential) -> bool:
        return credential.expires_at <= self._clock() or credential.access_key_id in self._ended

    def expire(self) -> None:
        """Ends all credentials that were issued so far, long before their time."""
        self._ended.update(self._issued)

    def decide(self, action: str, resource: str) -> Decision:
        """Whether the role's policy allows it."""
        return self.policy.decide(action, resource)

    def reset(self) -> None:
        """The policy of the start; credentials that were ended early are good again."""
        self._ended.clear()
        self.policy = Policy(
            statement=[
                Statement(
                    effect="Allow",
                    action=["eiam:GenerateOauthToken"],
                    resource=[application_resource(INSTANCE, self._application)],
                )
            ]
        )


def application_resource(instance: str, application: str) -> str:
    """The name of an IDaaS application in RAM policies."""
    return f"acs:eiam:{REGION}:{ACCOUNT}:instance/{instance}/application/{application}"


def utc_text(at: float) -> str:
    """A time as Alibaba Cloud writes it, in UTC and whole seconds."""
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
