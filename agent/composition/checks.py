"""The checks before an agent is in service (`agent.operations.readiness`)."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final

from agent.composition.installed_policies import check_policies
from agent.errors.error_codes import AgentCode
from agent.operations.readiness import Check
from identity.errors import UnreachableError
from identity.principal import AccessIdentity

if TYPE_CHECKING:
    from agent.composition.agent import Agent

_OPTIONAL_SECONDS: Final = 0.9
"""How long a check may take without which the agent stays in service: probes wait for a second at least."""


def required_checks(agent: "Agent") -> dict[str, Check]:
    """The audit log, the revocations, the signing keys, and every credential of the machine."""
    revocation = agent.revocation
    check_revocations = revocation.check_read if revocation.shared else revocation.check
    checks: dict[str, Check] = {
        "audit_log": agent.audit_log.check,
        "revocations": check_revocations,
        "signing_keys": agent.jwks.load,
    }
    for name, required in agent.requirements.items():
        if required.access_identity is AccessIdentity.MACHINE:
            checks[name] = partial(agent.broker.obtain, required.credential, required.access_identity, None)
    return checks


def optional_checks(agent: "Agent") -> dict[str, Check]:
    """The store of conversations, and what the processes share: most requests can be served without them, by
    what this process knows and counts.
    """
    checks: dict[str, Check] = {}
    if agent.policies:
        checks["policy"] = partial(check_policies, agent.policies)
    if agent.kept is not None:
        check = agent.kept.storage.check
        checks["conversations"] = partial(_in_time, check, AgentCode.CONVERSATIONS_UNAVAILABLE)
    if agent.redis is not None:
        checks["redis"] = partial(_in_time, agent.redis.check, AgentCode.REDIS_UNAVAILABLE)
    if agent.revocation.shared:
        checks["revocation_stores"] = agent.revocation.check
    return checks


async def _in_time(check: Check, code: AgentCode) -> None:
    """A part that hangs must not delay the response: a probe that waits removes the agent from service."""
    try:
        async with asyncio.timeout(_OPTIONAL_SECONDS):
            await check()
    except TimeoutError:
        raise UnreachableError(code, f"no response within {_OPTIONAL_SECONDS:g} s") from None
