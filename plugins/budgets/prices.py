"""The prices of models, and the cost of what was used of them."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple, TypeAlias

_PER: Final = 1_000_000
"""Tokens of one price."""
_FORM: Final = (
    "must have models and two prices of a million tokens, in and out: qwen-plus=0.8/2,qwen-max=2.4/9.6"
)
_MOST: Final = 10**12
_PRICE: Final = re.compile(r"\d{1,6}(\.\d{1,6})?")


class Price(NamedTuple):
    """Of a million tokens, in the operator's currency."""

    input: Decimal
    output: Decimal

    def cost(self, input_tokens: int, output_tokens: int) -> Decimal:
        """Of so many tokens, exactly."""
        return (self.input * input_tokens + self.output * output_tokens) / _PER


Prices: TypeAlias = Mapping[str, Price]
"""By the names of models."""


def prices_of(text: str) -> Prices:
    """The prices of `qwen-plus=0.8/2,qwen-max=2.4/9.6`. Raises `ValueError`."""
    prices: dict[str, Price] = {}
    for part in text.split(","):
        model, is_priced, pair = part.strip().rpartition("=")
        model = model.rstrip()
        pair = pair.lstrip()
        inward, is_pair, outward = pair.partition("/")
        is_valid = is_priced and is_pair and _PRICE.fullmatch(inward) and _PRICE.fullmatch(outward)
        if not (model and is_valid) or model in prices:
            raise ValueError(_FORM)
        prices[model] = Price(Decimal(inward), Decimal(outward))
    return prices


def price_of(model: str, prices: Prices) -> Price:
    """The price of a model. One that is not named costs as much as the dearest, so that no budget is missed
    by a name; without prices, nothing has a cost.
    """
    if model in prices:
        return prices[model]
    nothing = Decimal(0)
    return Price(
        max((price.input for price in prices.values()), default=nothing),
        max((price.output for price in prices.values()), default=nothing),
    )


def tokens_of(text: str) -> dict[str, Decimal]:
    """The tokens of `finance=5000000,staff=20000000`, by name. Raises `ValueError`."""
    numbers = _by_name(text, "must have names and whole numbers: finance=5000000,staff=20000000")
    if not all(number == number.to_integral_value() for number in numbers.values()):
        raise ValueError("must have whole numbers of tokens")
    return numbers


def amounts_of(text: str) -> dict[str, Decimal]:
    """The amounts of `finance=40,staff=12.50`, by name. Raises `ValueError`."""
    return _by_name(text, "must have names and amounts above 0: finance=40,staff=12.50")


def _by_name(text: str, form: str) -> dict[str, Decimal]:
    numbers: dict[str, Decimal] = {}
    for part in text.split(","):
        name, _, number = part.strip().rpartition("=")
        name = name.rstrip()
        if not name or name in numbers:
            raise ValueError(form)
        try:
            numbers[name] = amount(number)
        except ValueError:
            raise ValueError(form) from None
    return numbers


def amount(text: str) -> Decimal:
    """An amount of money above 0. Raises `ValueError`."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or not 0 < value <= _MOST:
        raise ValueError("must be an amount above 0, such as 2.50")
    return value
