"""The Cedar schema of one tool, and the arguments of a call as its types have them.

The schema follows from the JSON Schema of the tool's parameters. Cedar has no null and no float: an integer
is a `Long`, a number is a `decimal` of four digits, and a member of another form is left out of
`context.input`, so that no rule can mention it.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cached_property
from math import ceil
from typing import Any, Final, TypeAlias

from agent.composition.facts_of_today import Fact, kinds_of_facts
from agent.settings.settings import Settings
from plugins.policy.variables import PolicyVariables
from tools.approval_policy import Effect
from tools.mcp_service.service import MCPService
from tools.service import Service, ToolSchema
from tools.service_name import service_of

_MAX_DEPTH: Final = 8
_NAME: Final = re.compile(r"(?!__)[\w.-]{1,64}", re.ASCII)
_SCALARS: Final = {"string": "String", "boolean": "Bool", "integer": "Long", "number": "decimal"}
_FITS: Final = {"String": str, "Bool": bool, "Long": int}
_LONG: Final = 2**63
FRACTION: Final = 10_000
"""The parts of one in which a decimal is counted."""


@dataclass(frozen=True)
class ToolAction:
    """A tool as Cedar's action `service.tool`, within the action of its effect."""

    service: str
    tool: str
    effect: Effect
    parameters: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The id of the action."""
        return f"{self.service}.{self.tool}"

    @cached_property
    def key(self) -> str:
        """Equal for equal actions."""
        return json.dumps([self.name, self.effect, self.parameters], sort_keys=True, default=str)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of rules. `actions` are the tools that are known; the tools of the services `listing` are
    known only when their server has listed them, some by `names` before.

    With `counts`, calls are counted (`context.today`), where `facts_of_today` are known, too.
    """

    actions: Mapping[str, ToolAction]
    names: frozenset[str]
    listing: frozenset[str]
    services: Sequence[str]
    groups: frozenset[str]
    attributes: Sequence[str]
    counts: bool
    listing_effects: frozenset[Effect] = frozenset(Effect)
    """The effects that the tools may have which are not known yet."""
    facts_of_today: Mapping[str, type[Fact]] = field(default_factory=dict)
    has_own_nodes: bool = False
    """Whether nodes of an own graph, whose names are not known, may label what they read."""

    def waits(self, name: str) -> bool:
        """Whether the parameters of the tool of `name` are not known yet."""
        return name not in self.actions and name.partition(".")[0] in self.listing

    def may_list(self, actions: Collection[str] | None) -> bool:
        """Whether `actions` (`None`: all), which are of tools and effects, include a tool that is not known
        until its server lists it.
        """
        return bool(self.listing) and (
            actions is None or any(name in self.listing_effects or self.waits(name) for name in actions)
        )

    def similar(self, name: str) -> list[str]:
        """The names of tools that somebody may have meant who wrote `name`: of its service, with its tool, or
        all.
        """
        service = service_of(name.partition(".")[0])
        tool = name.rpartition(".")[2]
        every = sorted({*self.actions, *self.names})
        of_service = [name for name in every if name.partition(".")[0] == service]
        exact = [name for name in every if name.partition(".")[2] == tool]
        return exact or of_service or every


def vocabulary_of(
    settings: Settings,
    services: Sequence[Service],
    listed: Callable[[Service], Sequence[ToolSchema] | None],
    *,
    counts: bool,
) -> Vocabulary:
    """The words of rules. `listed` returns the tools of a service that are known without a request."""
    tools = {service.name: listed(service) for service in services}
    actions = [
        ToolAction(service_of(service.name), tool.name, service.policy(tool.name).effect, tool.parameters)
        for service in services
        for tool in tools[service.name] or ()
    ]
    listing = [service for service in services if tools[service.name] is None]
    return Vocabulary(
        actions={action.name: action for action in actions},
        names=frozenset(
            f"{service_of(service.name)}.{tool}" for service in services for tool in service.tool_names
        ),
        listing=frozenset(service_of(service.name) for service in listing),
        listing_effects=frozenset[Effect]().union(*map(_effects_of, listing)),
        services=list(dict.fromkeys(map(service_of, tools))),
        groups=frozenset(settings.of(PolicyVariables).policy_groups),
        attributes=[name for name in settings.caller_claims.split() if name != settings.policy_groups_claim],
        counts=counts,
        facts_of_today=kinds_of_facts(settings) if counts else {},
        has_own_nodes=settings.graph is not None,
    )


@dataclass(frozen=True, slots=True)
class SetType:
    """Elements of one type."""

    element: "Type"


@dataclass(frozen=True, slots=True)
class RecordType:
    """Members by name: their type, and whether each is always there."""

    members: Mapping[str, "tuple[Type, bool]"]


Type: TypeAlias = str | SetType | RecordType


def input_type(parameters: Mapping[str, Any]) -> RecordType:
    """The type of `context.input` for a tool with `parameters`, a JSON Schema object."""
    found = _type(parameters, parameters, 0)
    return found if isinstance(found, RecordType) else RecordType({})


def _type(schema: object, root: Mapping[str, Any], depth: int) -> Type | None:
    """`None` for what Cedar has no type for."""
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    if isinstance(reference := schema.get("$ref"), str):
        return _type(_resolved(reference, root), root, depth + 1)
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _SCALARS:
        return _SCALARS[kind]
    if kind == "array":
        element = _type(schema.get("items"), root, depth + 1)
        return None if element is None else SetType(element)
    properties = schema.get("properties", {})
    if kind != "object" or not isinstance(properties, Mapping) or not (properties or depth == 0):
        return None
    members: dict[str, tuple[Type, bool]] = {}
    for name, member in properties.items():
        plain, nullable = _without_null(member)
        found = _type(plain, root, depth + 1)
        if found is not None and _NAME.fullmatch(name):
            members[name] = found, name in schema.get("required", ()) and not nullable
    return RecordType(members)


def member_schema(parameters: Mapping[str, Any], path: Sequence[str]) -> Mapping[str, Any] | None:
    """The JSON Schema of an argument, by the names that lead to it, without the alternative null; of a list,
    that of its elements. `None` if the tool has no such argument.
    """
    found: object = parameters
    for name in path:
        members = found.get("properties") if isinstance(found, Mapping) else None
        member = members.get(name) if isinstance(members, Mapping) else None
        found, _ = _without_null(member)
        for step in ("$ref", "items"):
            if isinstance(found, Mapping) and step in found:
                found = _resolved(found[step], parameters) if step == "$ref" else found[step]
    return found if isinstance(found, Mapping) else None


def _effects_of(service: Service) -> frozenset[Effect]:
    """The effects that the tools of a service that lists them may have."""
    if isinstance(service, MCPService):
        return service.selection.effects
    return frozenset(Effect)


def _without_null(schema: object) -> tuple[object, bool]:
    """`schema` without the alternative null, and whether there was one: such a member is optional."""
    if isinstance(schema, Mapping):
        kinds = schema.get("type")
        alternatives = schema.get("anyOf")
        if isinstance(kinds, list) and "null" in kinds and len(kinds) == 2:
            return {**schema, "type": next(kind for kind in kinds if kind != "null")}, True
        if isinstance(alternatives, list) and {"type": "null"} in alternatives and len(alternatives) == 2:
            return next(form for form in alternatives if form != {"type": "null"}), True
    return schema, False


def _resolved(reference: str, root: Mapping[str, Any]) -> object:
    found: object = root
    for step in reference.removeprefix("#/").split("/"):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found


def cedar_value(value: object, kind: Type) -> Any:  # noqa: ANN401 - JSON
    """`value` as `kind` in Cedar's JSON, a decimal as its ten-thousandths (`Policies`). Raises `ValueError`,
    without the value, if it has another type.
    """
    if isinstance(kind, RecordType) and isinstance(value, dict):
        found = {}
        for name, (of, required) in kind.members.items():
            if (given := value.get(name)) is not None:
                found[name] = cedar_value(given, of)
            elif required:
                raise ValueError("a member is missing")
        return found
    if isinstance(kind, SetType) and isinstance(value, list):
        return [cedar_value(element, kind.element) for element in value]
    if kind == "decimal":
        return ten_thousandths(value)
    if kind == "Long" and isinstance(value, float) and value.is_integer():
        value = int(value)
    fits = _FITS.get(kind) if isinstance(kind, str) else None
    if fits is None or type(value) is not fits or (fits is int and not -_LONG <= int(str(value)) < _LONG):
        raise ValueError("a value is of another type than the schema says")
    return value


def ten_thousandths(value: object) -> int:
    """A number in ten-thousandths. Raises `ValueError` if it is none, has more digits, or is too large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("a value is no number")  # noqa: TRY004 - one error for all values
    try:
        exact = Decimal(str(value)) * FRACTION
        units = int(exact)
    except (InvalidOperation, OverflowError, ValueError):
        raise ValueError("a number cannot be a decimal") from None
    if units != exact or not -_LONG <= units < _LONG:
        raise ValueError("a number has more than four digits after the point, or is too large")
    return units


def fact_value(fact: Fact) -> int:
    """A fact as Cedar's rules have it: a decimal in ten-thousandths, rounded up, within the largest."""
    exact = fact if isinstance(fact, int) else fact * FRACTION
    return min(ceil(exact), _LONG - 1)


def schema_text(
    action: ToolAction, known: Vocabulary, others: Iterable[str], mentioned: Collection[str], *, summed: bool
) -> str:
    """The schema in which calls of one tool are decided: its action, and the names that rules may mention.

    `others` are the actions of other tools. The context has the members that rules of the tool mention: Cedar
    checks each in each evaluation.
    """
    time = "time: datetime, " if "time" in mentioned else ""
    sum_of_day = ", sum: decimal" if summed else ""
    facts = (
        f", {name}: {'Long' if kind is int else 'decimal'}"
        for name, kind in known.facts_of_today.items()
        if name in mentioned
    )
    members = {
        "input": _text(input_type(action.parameters)),
        "identity": "String",
        "approved": "Bool",
        "approver?": "User",
        "authAge?": "Long",
        "consent?": "{ lasting: Bool, seconds: Long }",
        "now": f"{{ {time}minute: Long, weekday: Long }}",
        "read": "{ confidential: Bool, untrusted: Bool, services: Set<String> }",
        "today": f"{{ count: Long{sum_of_day}{''.join(facts)} }}",
    }
    context = (f"{name}: {kind}" for name, kind in members.items() if name.rstrip("?") in mentioned)
    of_users = ", ".join(f"{json.dumps(name)}?: String" for name in known.attributes)
    return "\n".join(
        [
            f"entity Group enum [{_quoted(sorted(known.groups) or [''])}];",
            f"entity User in [Group] = {{ {of_users} }};",
            f"entity Service enum [{_quoted(known.services)}];",
            f"action {_quoted([*Effect, *sorted({*others} - {action.name, *Effect})])};",
            f"action {_quoted([action.name])} in [{_quoted([action.effect])}] appliesTo {{ principal: User,",
            f"  resource: Service, context: {{ {', '.join(context)} }} }};",
        ]
    )


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(json.dumps(str(name), ensure_ascii=False) for name in names)


def _text(kind: Type) -> str:
    if isinstance(kind, SetType):
        return f"Set<{_text(kind.element)}>"
    if isinstance(kind, RecordType):
        members: list[str] = []
        for name, (member, required) in kind.members.items():
            mark = "" if required else "?"
            members.append(f"{json.dumps(name)}{mark}: {_text(member)}")
        return f"{{ {', '.join(members)} }}"
    return kind
