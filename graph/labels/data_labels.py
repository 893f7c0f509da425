"""What a conversation has read that must not leave its service unasked, and which calls could carry it out.

A result that is `confidential` or `untrusted` (`tools.approval_policy`) leaves its labels in the
conversation, before the model sees it. They are never removed: not by an edit, a shorter window or a new run;
another conversation has none. The model and the client cannot write them. Of a client's history: `unseen_in`.

A call could carry confidential data out if it goes to an untrusted tool, or changes something outside the
company or in a service that the data is not from, and if an argument contains what the user has not written.
Not noticed: data in the choice between words that the user has written, in the order or number of calls, and
in the name of an argument that the schema of a tool permits (`additionalProperties`) without listing it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.messages import AnyMessage, HumanMessage

from tools.approval_policy import ApprovalMode, Data, Effect, ToolPolicy, Trust, strictest
from tools.service import Service
from tools.service_name import service_of

DataLabels: TypeAlias = Mapping[str, str]
"""What was read: `service.tool` → its labels, separated by a space. Tools without labels are not there."""


def joined(earlier: DataLabels | None, new: DataLabels) -> dict[str, str]:
    """Both: no label is lost."""
    labels = dict(earlier or {})
    for tool, added in new.items():
        labels[tool] = " ".join(sorted({*labels.get(tool, "").split(), *added.split()}))
    return labels


def labels_of(service: str, tool: str, policy: ToolPolicy) -> dict[str, str]:
    """The labels of a result of `tool`."""
    labels = [label for label in (policy.data, policy.trust) if label in (Data.CONFIDENTIAL, Trust.UNTRUSTED)]
    return {f"{service_of(service)}.{tool}": " ".join(labels)} if labels else {}


def unseen_in(services: Iterable[Service]) -> dict[str, str]:
    """The labels of a history that a client sends: if a tool returns confidential data, it may be there."""
    may_be = any(each.policy(tool).data is Data.CONFIDENTIAL for each in services for tool in each.tool_names)
    return {"history": f"{Data.CONFIDENTIAL} {Trust.UNTRUSTED}"} if may_be else {}


def labels_in(read: DataLabels) -> set[str]:
    """All labels of what was read."""
    return {label for labels in read.values() for label in labels.split()}


def services_in(read: DataLabels, label: str | None = None) -> set[str]:
    """The services of what was read; with `label`, of what has it."""
    tools = (tool for tool, labels in read.items() if label in (None, *labels.split()))
    return {service_of(tool.partition(".")[0]) for tool in tools}


def shown(read: DataLabels) -> tuple[str, ...]:
    """For each tool its labels, as people see them."""
    return tuple(f"{tool}: {', '.join(labels.split())}" for tool, labels in sorted(read.items()))


def is_confidential(read: DataLabels) -> bool:
    """Whether anything confidential was read."""
    return Data.CONFIDENTIAL in labels_in(read)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a call could carry to where it has not been, and what happens to the call therefore.

    `read` is what the conversation has read, for each tool its labels, as people see them; it is empty if the
    arguments carry nothing of it. `mode` is `ask` if the user of the call decides: no one else's yes counts.
    """

    read: tuple[str, ...] = ()
    mode: ApprovalMode = ApprovalMode.ALLOW


def disclosure_of(
    read: DataLabels,
    service: str,
    policy: ToolPolicy,
    arguments: Mapping[str, Any],
    messages: Sequence[AnyMessage],
    *,
    to_others: bool,
) -> Disclosure:
    """What a call of `service` could disclose in a conversation of `messages` that has read what has `read`.
    `to_others`: another person than the user sees the call before it is made.
    """
    if not is_confidential(read) or _are_written(arguments, messages):
        return Disclosure()
    mode = ApprovalMode.ASK if to_others else ApprovalMode.ALLOW
    outward = policy.effect in (Effect.EXTERNAL, Effect.UNKNOWN) or policy.trust is Trust.UNTRUSTED
    own = {service_of(service)}
    elsewhere = policy.effect is Effect.WRITE and services_in(read, Data.CONFIDENTIAL) != own
    if outward or elsewhere:
        mode = strictest(mode, _mode_after(read, policy))
    return Disclosure(shown(read), mode)


def _mode_after(read: DataLabels, policy: ToolPolicy) -> ApprovalMode:
    """What happens to a call that could carry confidential data out. With untrusted data besides, which may
    instruct the model, it asks at least.
    """
    allowed = policy.after_confidential is ApprovalMode.ALLOW
    return ApprovalMode.ASK if allowed and Trust.UNTRUSTED in labels_in(read) else policy.after_confidential


def _are_written(arguments: Mapping[str, Any], messages: Sequence[AnyMessage]) -> bool:
    """Whether the user has written every value of `arguments`, as whole words."""
    text = "\n".join(each.text for each in messages if isinstance(each, HumanMessage))
    return all(_is_written(str(each), text) for value in arguments.values() for each in _values(value))


def _is_written(value: str, text: str) -> bool:
    """With the user's capitals or regular ones: a mixture of others could carry data, as spaces could."""
    begins = r"(?<![a-z0-9])" if value[:1].isascii() else ""
    ends = r"(?![a-z0-9])" if value[-1:].isascii() else ""
    places = re.finditer(f"{begins}{re.escape(value)}{ends}", text, re.IGNORECASE)
    texts = (each[0] for each in places)
    regular = (str.lower, str.upper, str.title, str.capitalize)
    return not value or any(value in (each, *(form(each) for form in regular)) for each in texts)


def _values(value: object) -> Iterator[object]:
    """Texts and numbers, also of a short list. Others, such as objects, could carry data by their form."""
    if isinstance(value, list) and len(value) <= 3 and {*map(type, value)} <= {str, int, float}:
        yield from value
    elif value is not None and not isinstance(value, bool):
        yield value
