"""The variables of budgets."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field

from agent.settings.plugin_variables import PluginVariables
from identity.settings.values import TRUE, Word, parsed_by
from plugins.budgets.prices import amount, amounts_of, prices_of, tokens_of
from tools.approval_policy import CLAIM

CLIENT_CLAIMS: Final = ("client_id", "azp")
"""The claims that may name the client of a user."""


class BudgetVariables(PluginVariables):
    """How much of the models may be used in a day, which ends at midnight UTC."""

    heading = "Budgets"

    max_tokens_for_user_a_day: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """Tokens, in and out, that the responses to one user may use in a day (`plugins/budgets/README.md`). Over
    all replicas. Needs stored conversations."""
    max_cost_for_user_a_day: Annotated[Decimal, parsed_by(amount)] | None = None
    """The same in money, by `MODEL_PRICES`."""
    max_tokens_for_group_a_day: Annotated[dict[str, Any], parsed_by(tokens_of)] | None = None
    """Tokens of all members of a group together, such as `finance=5000000,staff=20000000`. Needs `groups` in
    `CALLER_CLAIMS`."""
    max_cost_for_group_a_day: Annotated[dict[str, Any], parsed_by(amounts_of)] | None = None
    """The same in money, such as `finance=40`."""
    max_tokens_for_client_a_day: Annotated[dict[str, Any], parsed_by(tokens_of)] | None = None
    """Tokens of all users of a client together, such as `app_page01=5000000`. Needs `client_id` or `azp` in
    `CALLER_CLAIMS`."""
    max_cost_for_client_a_day: Annotated[dict[str, Any], parsed_by(amounts_of)] | None = None
    """The same in money."""
    budget_notice_percent: int = Field(80, ge=0, le=100)
    """The share of a limit, in percent, from which a caller is told that it is nearly used up, once a day for
    each limit (`plugins/budgets/README.md`). 0 turns it off."""
    budget_approvers: Word | None = None
    """Who may raise a limit for the rest of a day: a group, or `claim:manager`, the person whose `sub` the
    user's claim has (`plugins/budgets/README.md`). Never the one who asks. Without it, nobody is asked."""
    budget_raise_percent: int = Field(50, ge=1, le=1000)
    """By how much an approved raise raises a limit, in percent of it. Once a day for each limit."""
    model_prices: Annotated[dict[str, Any], parsed_by(prices_of)] | None = None
    """Prices of a million tokens, in and out, by model, such as `qwen-plus=0.8/2,qwen-max=2.4/9.6`. Other
    models cost as much as the dearest."""
    count_model_usage: bool = False
    """Counts without a limit, too, for rules about `context.today.tokens` and `context.today.cost`
    (`plugins/policy/README.md`)."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        limits = {name for name in given if name.startswith("max_") and name.endswith("_a_day")}
        limits &= BudgetVariables.model_fields.keys()
        counting = set(limits)
        if given.get("count_model_usage", "").lower() in TRUE:
            counting.add("count_model_usage")
        claims = given.get("caller_claims", "").split()
        groups = given.get("policy_groups_claim", "groups")
        costs = [name for name in limits if name.startswith("max_cost_")]
        of_groups = [name for name in limits if "_for_group_" in name]
        of_clients = [name for name in limits if "_for_client_" in name]
        if costs and "model_prices" not in given:
            yield f"{_named(costs)} needs MODEL_PRICES"
        if of_groups and groups not in claims:
            yield f"{_named(of_groups)} needs CALLER_CLAIMS to name {groups}, the claim that has the groups"
        if of_clients and not {*CLIENT_CLAIMS} & {*claims}:
            yield f"{_named(of_clients)} needs CALLER_CLAIMS to name {' or '.join(CLIENT_CLAIMS)}"
        approvers = given.get("budget_approvers")
        if approvers is not None:
            claim = approvers.removeprefix(CLAIM) if approvers.startswith(CLAIM) else groups
            if claim not in claims:
                yield f"BUDGET_APPROVERS needs CALLER_CLAIMS to name {claim}, by which approvers are known"
            if not limits:
                yield "BUDGET_APPROVERS needs a limit, such as MAX_TOKENS_FOR_USER_A_DAY"
        if counting and given.get("conversations_url", "").lower() == "none":
            yield f"{_named(counting)} needs stored conversations: CONVERSATIONS_URL must not be none"


def _named(names: Iterable[str]) -> str:
    return ", ".join(sorted(name.upper() for name in names))
