"""The variables of the policy: a file, or a decision point."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator

from agent.settings.plugin_variables import PluginVariables
from identity.settings.values import Url, Word, existing_file, listed, lower_case, parsed_by


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):  # `ZoneInfoNotFoundError` is a `KeyError`
        raise ValueError("must name a time zone of this machine, such as Asia/Shanghai") from None
    return value


Names = Annotated[tuple[Word, ...], parsed_by(listed)]


class PolicyVariables(PluginVariables):
    """Rules about calls: in a file, or of a decision point."""

    heading = "Policy"

    policy_file: Annotated[Path, AfterValidator(existing_file)] | None = None
    """Rules in Cedar, beside the policies of `SERVICES_FILE` (`plugins/policy/README.md`): a call is
    made only if both allow it. Needs the extra `policy`."""
    policy_mode: Annotated[Literal["enforce", "observe"], lower_case] = "enforce"
    """`observe`: the file decides nothing; what it would have decided is recorded and counted."""
    policy_url: Url | None = None
    """In place of `POLICY_FILE`, the access evaluation endpoint of a decision point by AuthZEN 1.0
    (`plugins/policy/README.md`), such as `https://pdp.example.com/access/v1/evaluation`."""
    policy_scope: Word | None = None
    """The scope of the agent's own access token for `POLICY_URL`, as `audience|permission`. Without it,
    requests have no token."""
    policy_groups: Names = ()
    """The groups that rules may name, separated by commas. Other groups of a token are not used."""
    policy_time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    """The time zone of `context.now` and of the day of `context.today`."""

    @staticmethod
    def learns_sums(given: Mapping[str, str]) -> bool:
        """A decision point learns them."""
        return "policy_url" in given

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        if "policy_file" in given and "policy_url" in given:
            yield "POLICY_FILE and POLICY_URL must not both be set"
        needed = {"policy_mode": "POLICY_FILE", "policy_scope": "POLICY_URL"}
        if "policy_url" not in given:
            needed |= dict.fromkeys(("policy_groups", "policy_time_zone"), "POLICY_FILE")
        for name, needs in needed.items():
            if name in given and needs.lower() not in given:
                yield f"{name.upper()} must not be set without {needs}"
        claim = given.get("policy_groups_claim", "groups")
        if "policy_groups" in given and claim not in given.get("caller_claims", "").split():
            yield f"CALLER_CLAIMS must name {claim}, the claim that has the groups of POLICY_GROUPS"
