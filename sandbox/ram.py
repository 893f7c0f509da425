"""RAM: policies, the agent's execution role, the roles of PAM, and temporary credentials for them (STS).

State and rules only; services hand the credentials out and verify them.
"""

import datetime as dt
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from sandbox.addresses import INSTANCE
from sandbox.federation.instance_document import ACCOUNT, REGION

ROLE = "agent-execution-role"
ROLE_ARN = f"acs:ram::{ACCOUNT}:role/{ROLE}"
OIDC_PROVIDER_ARN = f"acs:ram::{ACCOUNT}:oidc-provider/sandbox-cluster"
FUNCTION_LIFETIME = 36 * 3600
"""Seconds for which the credentials in a function's environment are good."""
_RENEW_BEFORE = 900
REPORT_READER = f"acs:ram::{ACCOUNT}:role/report-reader"
"""The built-in role: it may list and read the objects of the bucket `reports`."""


Decision = Literal["Allow", "ExplicitDeny", "ImplicitDeny"]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Patterns = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]


class Statement(BaseModel):
    """One statement of a policy; `*` and `?` are wildcards. Conditions are not supported."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    effect: Literal["Allow", "Deny"] = Field(alias="Effect")
    action: _Patterns = Field(alias="Action")
    resource: _Patterns = Field(alias="Resource")

    def matches(self, action: str, resource: str) -> bool:
        """Whether the statement is about this action on this resource; actions ignore case."""
        return _matches(self.action, action, re.IGNORECASE) and _matches(self.resource, resource)


class Policy(BaseModel):
    """A policy document, in RAM's JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    version: Literal["1"] = Field("1", alias="Version")
    statement: list[Statement] = Field(alias="Statement")

    def decide(self, action: str, resource: str) -> Decision:
        """A Deny wins over every Allow; without either it is denied."""
        effects = {s.effect for s in self.statement if s.matches(action, resource)}
        return "ExplicitDeny" if "Deny" in effects else "Allow" if effects else "ImplicitDeny"


def _matches(patterns: Iterable[str], text: str, flags: re.RegexFlag = re.NOFLAG) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, flags)
        for pattern in patterns
    )


@dataclass(frozen=True, slots=True)
class StsCredential:
    """Temporary credentials of a role. Times are unix seconds."""

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
        credential = _new_credential(self._clock() + lifetime)
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


@dataclass(slots=True)
class CloudRole:
    """`external_id` is its ARN; `readers` are client ids and user subjects; `longest` is in seconds."""

    external_id: str
    role_id: str
    name: str
    readers: set[str]
    policy: Policy
    longest: int = 43200
    enabled: bool = True


class CloudRoles:
    """Roles by ARN, and the temporary credentials that were issued for them."""

    def __init__(self, agent: str, clock: Callable[[], float]) -> None:
        self._agent = agent
        self._clock = clock
        self._issued: dict[str, tuple[StsCredential, CloudRole]] = {}
        self._roles: dict[str, CloudRole] = {}
        self.reset()

    def reset(self) -> None:
        """The built-in role, without credentials."""
        self._issued.clear()
        allowed = Statement(
            effect="Allow",
            action=["oss:ListObjects", "oss:GetObject"],
            resource=["acs:oss:*:*:reports", "acs:oss:*:*:reports/*"],
        )
        readers = {self._agent, "user_alice01", "user_bob01"}
        policy = Policy(statement=[allowed])
        role = CloudRole(REPORT_READER, "carole_reports01", "report-reader", readers, policy)
        self._roles = {role.external_id: role}

    def __iter__(self) -> Iterator[CloudRole]:
        return iter(self._roles.values())

    def role(self, external_id: str) -> CloudRole | None:
        """The role with this ARN."""
        return self._roles.get(external_id)

    def issue(self, role: CloudRole, seconds: int) -> StsCredential:
        """New credentials of `role` that end after `seconds`. Nothing is checked."""
        credential = _new_credential(int(self._clock()) + seconds)
        self._issued[credential.access_key_id] = credential, role
        return credential

    def issued(self) -> tuple[StsCredential, ...]:
        """All credentials so far, oldest first."""
        return tuple(credential for credential, _ in self._issued.values())

    def find(self, access_key_id: str) -> StsCredential | None:
        """The credentials with this id, also if they have expired."""
        found = self._issued.get(access_key_id)
        return found and found[0]

    def role_of(self, credential: StsCredential) -> CloudRole:
        """The role for which they were issued."""
        return self._issued[credential.access_key_id][1]

    def expired(self, credential: StsCredential) -> bool:
        return credential.expires_at <= self._clock()


def _new_credential(expires_at: float) -> StsCredential:
    return StsCredential(
        f"STS.{secrets.token_hex(12)}", secrets.token_urlsafe(32), secrets.token_urlsafe(96), expires_at
    )


def application_resource(instance: str, application: str) -> str:
    """The name of an IDaaS application in RAM policies."""
    return f"acs:eiam:{REGION}:{ACCOUNT}:instance/{instance}/application/{application}"


def utc_text(at: float) -> str:
    """A time as Alibaba Cloud writes it, in UTC and whole seconds."""
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
