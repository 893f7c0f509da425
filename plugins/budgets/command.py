"""`idaas-agent audit usage`: what each user has used of the models, by the audit log."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.commands.audit import FILES, named_files, records, unusable
from agent.commands.terminal import ENV_FILE, environment, operator_settings, out, seconds_of
from identity.audit.event import AuditedAction
from identity.printable import rfc3339
from plugins.budgets.prices import Prices, price_of
from plugins.budgets.variables import BudgetVariables


@dataclass(slots=True)
class UserUsage:
    """What one user has used: `cost` is that of the prices of today, exactly."""

    user: str
    responses: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = field(default_factory=Decimal)

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.input_tokens + self.output_tokens


def usage(
    files: FILES = None,
    since: Annotated[
        str | None, typer.Option(help="2026-11-25T09:00:00Z, unix seconds, or 90m (ago).")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON, a line each.")] = False,
    env_file: ENV_FILE = None,
) -> None:
    """Prints a row for each user: responses of the models, tokens in and out, and their cost.

    Costs need MODEL_PRICES. Name the files of all replicas. It verifies nothing: idaas-agent audit verify.
    """
    prices = operator_settings(env_file).of(BudgetVariables).model_prices or {}
    try:
        begins = "" if since is None else rfc3339(seconds_of(since, time.time()))
        rows = usage_of(_lines(named_files(files, environment(env_file))), prices, begins)
    except (ValueError, OverflowError) as error:
        unusable(f"--since {error}")
    except (OSError, EOFError) as error:
        unusable(f"a file cannot be read: {error}")
    for row in rows:
        _print(row, as_json=json_, has_prices=bool(prices))
    if not rows and not json_:
        out.print("no response of a model is on record")


def usage_of(lines: Iterable[Mapping[str, Any]], prices: Prices, begins: str) -> Sequence[UserUsage]:
    """What each user has used by records of `begins` or later, the one who used most first."""
    users: dict[tuple[str, str], UserUsage] = {}
    for line in lines:
        principal = line.get("principal")
        if line["event"] != AuditedAction.MODEL_CALL or principal is None or line["time"] < begins:
            continue
        inward = line.get("input_tokens") or 0
        outward = line.get("output_tokens") or 0
        subject = str(principal.get("sub"))
        user = users.setdefault((str(principal.get("iss")), subject), UserUsage(subject))
        user.responses += 1
        user.input_tokens += inward
        user.output_tokens += outward
        user.cost += price_of(str(line.get("model") or ""), prices).cost(inward, outward)
    return sorted(users.values(), key=lambda user: (-user.tokens, user.user))


def _lines(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        for record in records(file):
            if record is not None:
                yield record


def _print(row: UserUsage, *, as_json: bool, has_prices: bool) -> None:
    cost = f"{row.cost.normalize():f}" if has_prices else None
    if as_json:
        out.print(json.dumps({**asdict(row), "cost": cost}))
        return
    text = f"{row.user}  {row.responses:,} responses  {row.input_tokens:,} in  {row.output_tokens:,} out"
    out.print(text if cost is None else f"{text}  cost {cost}")
