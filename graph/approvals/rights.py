"""The rights that the agent has for a user: what the policy of each tool says of calls, and their grants.

Nothing is called, and no credential is requested.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from graph.approvals.gate import ApprovalGate
from graph.approvals.policy import Allow, AnyUser, Ask, Deny, Undetermined
from tools.approval_policy import Trust
from tools.service import Service, ToolSchema, data_of, declared_credential_of
from tools.service_name import service_of

_DECISIONS: Final[Mapping[type, str]] = {Allow: "allow", Ask: "ask", Deny: "deny", Undetermined: "depends"}


class ToolRights(TypedDict):
    """A tool. `decision` is what its policy says now of calls in a conversation that has read nothing:
    `allow`, `ask`, `deny`, or `depends` on the arguments or the calls of today, by `rules`. `approvers` are
    the others who approve; `sign_in_seconds`: how old the sign-in may be, if a recent one is required.
    """

    name: str
    effect: str
    data: str
    trust: str
    decision: str
    rules: list[str]
    approvers: str | None
    sign_in_seconds: int | None


class ServiceRights(TypedDict):
    """A service, once for each permission of its tools (`scope`). `access_identity` is whose rights its calls
    use. `listed` is false while its server has not listed its tools for the user.
    """

    name: str
    access_identity: str | None
    audience: str | None
    scope: str | None
    credential: str | None
    credential_kind: str | None
    listed: bool
    tools: list[ToolRights]


class UserRights(TypedDict):
    """The rights of the agent for `subject`: `iss`, `sub`, and `name` if CALLER_CLAIMS names it. `policy` is
    that of POLICY_FILE: its `digest` and `mode`. `grants` are as in `GET /grants`.
    """

    subject: dict[str, str | None]
    policy: dict[str, str] | None
    services: list[ServiceRights]
    grants: list[dict[str, Any]]


async def rights_of(
    user: AnyUser,
    gate: ApprovalGate,
    tools: Callable[[Service], Sequence[ToolSchema] | None],
    *,
    policy: dict[str, str] | None,
    grants: Sequence[dict[str, Any]],
) -> UserRights:
    """The rights of `user`, by the gate that decides about their calls. `tools` returns those of a service,
    as far as they are known; `None`: its server has not listed them. `grants` are theirs, as JSON.
    """
    services = [
        await service_rights(service, tools(service), gate, user) for service in gate.services.values()
    ]
    return user_rights(user, services, policy=policy, grants=grants)


def user_rights(
    user: AnyUser,
    services: list[ServiceRights],
    *,
    policy: dict[str, str] | None,
    grants: Sequence[dict[str, Any]],
) -> UserRights:
    """The rights of `user` to `services`."""
    name = user.claims.get("name")
    if not isinstance(name, str):
        name = None
    return UserRights(
        subject={"iss": user.principal.issuer, "sub": user.principal.subject, "name": name},
        policy=policy,
        services=services,
        grants=[*grants],
    )


async def service_rights(
    service: Service, listed: Sequence[ToolSchema] | None, gate: ApprovalGate, user: AnyUser
) -> ServiceRights:
    """The rights of `user` to the tools `listed` of `service`."""
    identity = gate.requests.access_identity(service.name)
    declared = declared_credential_of(service)
    return ServiceRights(
        name=service_of(service.name),
        access_identity=identity and identity.value,
        audience=declared.get("audience"),
        scope=declared.get("scope"),
        credential=declared.get("credential"),
        credential_kind=declared.get("credential_kind"),
        listed=listed is not None,
        tools=[await _tool_rights(service, tool, gate, user) for tool in listed or ()],
    )


async def _tool_rights(service: Service, tool: ToolSchema, gate: ApprovalGate, user: AnyUser) -> ToolRights:
    declared = service.policy(tool.name)
    forecast = await gate.forecast(service.name, tool, user)
    asks = forecast if isinstance(forecast, Ask) else Ask()
    return ToolRights(
        name=tool.name,
        effect=declared.effect,
        data=data_of(service, tool.name),
        trust=declared.trust or Trust.TRUSTED,
        decision=next(name for kind, name in _DECISIONS.items() if isinstance(forecast, kind)),
        rules=list(forecast.rules),
        approvers=asks.approvers,
        sign_in_seconds=asks.sign_in,
    )
