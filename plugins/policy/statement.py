"""One rule of a file of policies: its text, Cedar's JSON of it, and what it mentions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from plugins.policy.schema import ToolAction
from tools.approval_policy import Effect


@dataclass(frozen=True)
class Statement:
    """One rule. `form` is Cedar's JSON of it. `name` is its `@id`, else its line."""

    line: int
    text: str
    form: Mapping[str, Any]
    annotations: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.annotations.get("id") or f"line {self.line}"

    @property
    def observed(self) -> bool:
        """Whether it is only observed (`@observe`)."""
        return "observe" in self.annotations

    @property
    def sum(self) -> str | None:
        """The argument whose sum `context.today` has (`@sum("amount")`)."""
        return self.annotations.get("sum")

    @cached_property
    def actions(self) -> frozenset[str] | None:
        """The actions that its scope names; `None`: all."""
        scope = self.form["action"]
        if "entity" in scope:
            return frozenset(named([scope["entity"]], "Action"))
        if "entities" in scope:
            return frozenset(named(scope["entities"], "Action"))
        return None

    @cached_property
    def mentioned_actions(self) -> frozenset[str]:
        return frozenset(named([self.form], "Action"))

    @cached_property
    def compared_effects(self) -> list[str]:
        """The effects in its conditions that are not after `in`: no action equals one, it is within one."""
        every = nodes(self.form["conditions"])
        operands = (node["in"].get("right") for node in every if isinstance(node.get("in"), dict))
        within = {id(node) for operand in operands for node in nodes(operand)}
        ids = (node["id"] for node in every if node.get("type") == "Action" and id(node) not in within)
        return [name for name in ids if name in {*Effect}]

    @cached_property
    def members(self) -> frozenset[str]:
        """The members of any record that its conditions mention."""
        every = nodes(self.form["conditions"])
        return frozenset(node["attr"] for node in every if isinstance(node.get("attr"), str)).union(
            *(node["attr"] for node in every if isinstance(node.get("attr"), list)),
            *(node["Record"] for node in every if "Record" in node),
        )

    @cached_property
    def ages(self) -> frozenset[int]:
        """The ages of a sign-in, in seconds, to which it may set a limit."""
        if "authAge" not in self.members:
            return frozenset()
        values = (node.get("Value") for node in nodes(self.form["conditions"]))
        limits = {value for value in values if type(value) is int and value > 0}
        return frozenset({0, *limits, *(limit - 1 for limit in limits)})

    @cached_property
    def groups(self) -> frozenset[str]:
        """The groups that its conditions name."""
        return frozenset(named(self.form["conditions"], "Group"))

    def mentions(self, members: frozenset[str]) -> bool:
        """Whether it mentions one of `members`; with `groups` among them, also whether it names a group."""
        of_group = "groups" in members and next(named([self.form], "Group"), None) is not None
        sums = "today" in members and self.sum is not None
        return of_group or sums or not self.members.isdisjoint(members)

    @property
    def never(self) -> "Statement":
        """A rule that is never satisfied, and asks for what this one asks for."""
        conditions = [{"kind": "when", "body": {"Value": False}}, *self.form["conditions"]]
        return replace(self, text="", form={**self.form, "conditions": conditions}, annotations={})

    def applies(self, action: ToolAction) -> bool:
        """Whether its scope includes calls of a tool."""
        return self.actions is None or not self.actions.isdisjoint((action.name, action.effect.value))


def nodes(value: object) -> list[Mapping[str, Any]]:
    """All objects within JSON, without recursion."""
    found: list[Mapping[str, Any]] = []
    waiting = [value]
    while waiting:
        match waiting.pop():
            case dict() as members:
                found.append(members)
                waiting.extend(members.values())
            case list() as elements:
                waiting.extend(elements)
    return found


def named(value: object, kind: str) -> Iterator[str]:
    return (node["id"] for node in nodes(value) if node.get("type") == kind and "id" in node)
