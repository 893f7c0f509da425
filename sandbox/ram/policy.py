"""RAM policies: may a role perform an action on a resource?"""

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Decision = Literal["Allow", "ExplicitDeny", "ImplicitDeny"]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


_Patterns = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)]


class Statement(BaseModel):
    """One statement of a policy; `*` and `?` are wildcards. Conditions are not supported."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    effect: Literal["Allow", "Deny"] = Field(alias="Effect")
    action: _Patterns = Field(alias="Action")
    resource: _Patterns = Field(alias="Resource")

    def matches(self, action: str, resource: str) -> bool:
        """Whether the statement is about this action on this resource; actions ignore case."""
        return _matches(self.action, action, re.IGNORECASE) and _matches(self.resource, resource)


class Policy(BaseModel):
    """A policy document, in RAM's JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    version: Literal["1"] = Field("1", alias="Version")
    statement: list[Statement] = Field(alias="Statement")

    def decide(self, action: str, resource: str) -> Decision:
        """A Deny wins over every Allow; without either it is denied."""
        effects = {s.effect for s in self.statement if s.matches(action, resource)}
        return "ExplicitDeny" if "Deny" in effects else "Allow" if effects else "ImplicitDeny"


def _matches(patterns: Iterable[str], text: str, flags: re.RegexFlag = re.NOFLAG) -> bool:
    return any(
        re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text, flags)
        for pattern in patterns
    )
