"""The variables of the policy file."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator

from agent.settings.values import VariableGroup, Word, existing_file, listed, lower_case


class PolicyMode(StrEnum):
    """What the policy file does."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):  # `ZoneInfoNotFoundError` is a `KeyError`
        raise ValueError("must name a time zone of this machine, such as Asia/Shanghai") from None
    return value


Names = Annotated[tuple[Word, ...], BeforeValidator(listed)]


class PolicyVariables(VariableGroup):
    """Rules in Cedar about calls."""

    heading = "Policy"

    policy_file: Annotated[Path, AfterValidator(existing_file)] | None = None
    """Rules in Cedar, beside the policies of `SERVICES_FILE` (`docs/policy.md`): a call is made only if both
    allow it. Needs the extra `policy`."""
    policy_mode: Annotated[PolicyMode, lower_case] = PolicyMode.ENFORCE
    """`observe`: the file decides nothing; what it would have decided is recorded and counted."""
    policy_groups: Names = ()
    """The groups that rules may name, separated by commas. Other groups of a token are not used."""
    policy_groups_claim: Word = "groups"
    """The claim of `CALLER_CLAIMS` that has a person's groups, also an approver's: a list of texts, or one
    text. For rules the other claims are attributes of the user, if they are texts."""
    policy_time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    """The time zone of `context.now` and of the day of `context.today`."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        named = [
            name.upper() for name in given if name in ("policy_mode", "policy_groups", "policy_time_zone")
        ]
        if named and "policy_file" not in given:
            yield f"{', '.join(sorted(named))} must not be set without POLICY_FILE"
        claim = given.get("policy_groups_claim", "groups")
        if "policy_groups" in given and claim not in given.get("caller_claims", "").split():
            yield f"CALLER_CLAIMS must name {claim}, the claim that has the groups of POLICY_GROUPS"
