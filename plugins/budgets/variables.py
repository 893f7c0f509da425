"""The variables of budgets."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from agent.settings.plugin_variables import PluginVariables
from identity.settings.values import parsed_by
from plugins.budgets.prices import amount, prices_of


class BudgetVariables(PluginVariables):
    """How much of the models one user may use in a day, which ends at midnight UTC."""

    heading = "Budgets"

    max_tokens_for_user_a_day: Annotated[int, Field(ge=1, le=10**12)] | None = None
    """Tokens, in and out, that the responses to one user may use in a day (`plugins/budgets/README.md`). Over
    all replicas. Needs stored conversations."""
    max_cost_for_user_a_day: Annotated[Decimal, parsed_by(amount)] | None = None
    """The same in money, by `MODEL_PRICES`."""
    model_prices: Annotated[dict[str, Any], parsed_by(prices_of)] | None = None
    """The prices of a million tokens, in and out, by model, in your currency, such as
    `qwen-plus=0.8/2,qwen-max=2.4/9.6`. A model that is not named costs as much as the dearest."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        limits = {"max_tokens_for_user_a_day", "max_cost_for_user_a_day"} & given.keys()
        if "max_cost_for_user_a_day" in given and "model_prices" not in given:
            yield "MAX_COST_FOR_USER_A_DAY needs MODEL_PRICES"
        if limits and given.get("conversations_url", "").lower() == "none":
            names = ", ".join(sorted(name.upper() for name in limits))
            yield f"{names} needs stored conversations: CONVERSATIONS_URL must not be none"
