"""Roles of the connected cloud account that IDaaS takes for agents and users (PAM), and their credentials."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sandbox.federation.instance_document import ACCOUNT
from sandbox.ram.execution_role import StsCredential
from sandbox.ram.policy import Policy, Statement

REPORT_READER = f"acs:ram::{ACCOUNT}:role/report-reader"
"""The built-in role: it may list and read the objects of the bucket `reports`."""
_MOST = 10_000


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
        credential = StsCredential(
            f"STS.{secrets.token_hex(12)}",
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(96),
            int(self._clock()) + seconds,
        )
        while len(self._issued) >= _MOST:
            del self._issued[next(iter(self._issued))]
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
