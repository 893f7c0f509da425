"""The limits of a day, and whom each bounds: a user, all members of a group, all who call by a client."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from agent.conversations.thread import owner_digest
from agent.settings.settings import Settings
from identity.access_token.verified_access_token import VerifiedAccessToken
from plugins.budgets.variables import CLIENT_CLAIMS, BudgetVariables


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that may be used in a day: tokens, or money if it is `of_cost`. `setting` says so."""

    setting: str
    most: Decimal
    of_cost: bool = False

    def shown(self, number: Decimal) -> str:
        """A number of what it limits, as text."""
        return f"{number.normalize():f} {'of money' if self.of_cost else 'tokens'}"


class BudgetOf(StrEnum):
    """Whose use is counted together."""

    USER = "user"
    GROUP = "group"
    CLIENT = "client"


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits of those who are counted together under `owner`, a digest: the user, the group or the client
    `of_name`.
    """

    owner: str
    limits: tuple[Limit, ...]
    of: BudgetOf
    of_name: str

    @property
    def name(self) -> str:
        """Whose it is, as people read it: `group finance`."""
        return f"{self.of} {self.of_name}"


@dataclass(frozen=True, slots=True)
class DailyLimits:
    """The limits of each user, and those of groups and clients by their names, whose users are counted
    together. A user's groups are in `group_claim` of their token.
    """

    of_user: tuple[Limit, ...] = ()
    of_groups: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    of_clients: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    group_claim: str = "groups"

    def __bool__(self) -> bool:
        return bool(self.of_user or self.of_groups or self.of_clients)

    def budgets_of(self, caller: VerifiedAccessToken) -> list[Budget]:
        """What counts the use of `caller`, their own count first, which there always is."""
        owner = owner_digest(caller.principal)
        budgets = [Budget(owner, self.of_user, BudgetOf.USER, caller.principal.subject)]
        named = caller.claims.get(self.group_claim, ())
        groups = {named} if isinstance(named, str) else {*named}
        budgets += [
            Budget(_digest("group", group), self.of_groups[group], BudgetOf.GROUP, group)
            for group in sorted(groups & self.of_groups.keys())
        ]
        budgets += [
            Budget(_digest("client", client), self.of_clients[client], BudgetOf.CLIENT, client)
            for client in sorted(_clients_of(caller) & self.of_clients.keys())
        ]
        return budgets


def daily_limits(settings: Settings) -> DailyLimits:
    """Those of the settings."""
    variables = settings.of(BudgetVariables)
    of_user: list[Limit] = []
    if variables.max_tokens_for_user_a_day is not None:
        of_user.append(Limit("MAX_TOKENS_FOR_USER_A_DAY", Decimal(variables.max_tokens_for_user_a_day)))
    if variables.max_cost_for_user_a_day is not None:
        of_user.append(Limit("MAX_COST_FOR_USER_A_DAY", variables.max_cost_for_user_a_day, of_cost=True))
    return DailyLimits(
        tuple(of_user),
        _by_name("GROUP", variables.max_tokens_for_group_a_day, variables.max_cost_for_group_a_day),
        _by_name("CLIENT", variables.max_tokens_for_client_a_day, variables.max_cost_for_client_a_day),
        settings.policy_groups_claim,
    )


def _by_name(
    of: str, tokens: Mapping[str, Decimal] | None, costs: Mapping[str, Decimal] | None
) -> dict[str, tuple[Limit, ...]]:
    limits: dict[str, tuple[Limit, ...]] = {}
    for name, most in (tokens or {}).items():
        limits[name] = (Limit(f"MAX_TOKENS_FOR_{of}_A_DAY", most),)
    for name, most in (costs or {}).items():
        limits[name] = (*limits.get(name, ()), Limit(f"MAX_COST_FOR_{of}_A_DAY", most, of_cost=True))
    return limits


def _clients_of(caller: VerifiedAccessToken) -> set[str]:
    """The clients by which `caller` calls, as the claims of the token name them, or which the caller is."""
    claims = [caller.claims.get(name) for name in CLIENT_CLAIMS]
    clients = {client for client in claims if isinstance(client, str)}
    if not clients and caller.is_client:
        clients.add(caller.principal.subject)
    return clients


def _digest(of: str, name: str) -> str:
    """No user's: the issuer of a principal is a URL."""
    return hashlib.sha256(f"{of}\0{name}".encode()).hexdigest()
