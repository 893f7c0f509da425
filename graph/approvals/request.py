"""A pending approval as the value of LangGraph's interrupt: one form that every known client can show.

`action_requests` and `review_configs` are LangChain's (`HumanInTheLoopMiddleware`); the arguments are there
twice, because Agent Inbox reads `arguments`. `approval` is the record. The value is saved in the checkpoint
and sent to every reader of the thread, so it contains no URL of a consent, but what refers to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from graph.approvals.card import card_text
from graph.approvals.record import ApprovalKind, ApprovalRequest, PendingApproval, QuestionKind
from graph.extensions import Extensions
from graph.server_question import ServerQuestion, question_in
from identity.credentials.requirement import CREDENTIAL_MEMBERS, declared_credential
from identity.principal import AccessIdentity, Principal
from identity.printable import printable, printable_json, rfc3339
from tools.approval_policy import Effect
from tools.lasting import Lasting

_DECISIONS: Final[Mapping[QuestionKind, Sequence[str]]] = {
    ApprovalKind.TOOL_CALL: ["approve", "edit", "reject"],
    ApprovalKind.CONSENT_REQUIRED: ["approve", "reject"],
    ApprovalKind.SIGN_IN_REQUIRED: ["approve"],
    ApprovalKind.ELICITATION: ["approve", "edit", "reject"],
}

OF_TOOL: Final = ("service", "tool", "effect", "access_identity", *CREDENTIAL_MEMBERS)
_NAMED: Final = ("id", "kind", "thread_id", *OF_TOOL, "call_id", "digest", "approvers")


def interrupt_value(pending: PendingApproval, url: str | None = None) -> dict[str, Any]:
    """The value for `langgraph.types.interrupt`: JSON, without a secret.

    `url` stands for the URL of a consent, where the clients of LangGraph Server read it
    (`graph.approvals.consent_urls.url_reference`).
    """
    request = pending.request
    arguments = dict(pending.arguments)
    name = request.tool or request.kind.value
    question = question_in(request.extensions) or {}
    description = card_text(pending)
    decisions = _DECISIONS[request.kind]
    if request.approvers is not None:
        decisions = _DECISIONS[ApprovalKind.SIGN_IN_REQUIRED]
    if url is not None:
        description += f" Open this address, allow the access, and then approve: {url}"
    action = {"name": name, "args": arguments, "arguments": arguments, "description": description}
    review = {"action_name": name, "allowed_decisions": decisions}
    principal = {"iss": request.principal.issuer, "sub": request.principal.subject}
    approval: dict[str, Any] = {**approval_members(request), "principal": principal, **_shown_with(pending)}
    if url is not None:
        approval["url"] = url
    if "schema" in question:
        approval["parameters"] = question["schema"]
    return {"action_requests": [action], "review_configs": [review], "approval": approval}


def pending_of(value: Mapping[str, Any]) -> PendingApproval:
    """The pending approval in an interrupt's value, to be shown. It comes from the checkpoint and grants
    nothing: the store has the request that counts.

    Raises `KeyError`, `ValueError` or `TypeError` for another value.
    """
    members = dict(value["approval"])
    principal = members.pop("principal")
    identity = members.pop("access_identity")
    lasting = members.pop("lasting", None)
    schema = members.pop("parameters", None)
    question = members.pop("question", None)
    for of_display in ("url", "display"):
        members.pop(of_display, None)
    credential = {name: members.pop(name, None) for name in CREDENTIAL_MEMBERS}
    request = ApprovalRequest(
        kind=ApprovalKind(members.pop("kind")),
        effect=Effect(members.pop("effect")),
        access_identity=identity and AccessIdentity(identity),
        principal=Principal(principal["iss"], principal["sub"]),
        created_at=_seconds(members.pop("created_at")),
        expires_at=_seconds(members.pop("expires_at")),
        declared=declared_credential(credential),
        read=tuple(members.pop("read")),
        extensions=_question_shown(question, schema),
        **members,
    )
    offered = lasting and Lasting(lasting["seconds"], lasting["conversation_only"], lasting["bounds"])
    arguments = value["action_requests"][0]["args"]
    return PendingApproval(request, arguments, lasting=offered, parameters=schema)


def _question_shown(question: dict[str, Any] | None, schema: Mapping[str, Any] | None) -> Extensions:
    """The question of a server as an interrupt shows it, with the schema of its form."""
    if question is None:
        return Extensions()
    form = {} if schema is None else {"schema": schema}
    return Extensions(ServerQuestion(question | form))


def approval_of(pending: PendingApproval) -> dict[str, Any]:
    """A pending approval as JSON for its principal, in every API of the agent: the members of the request,
    the arguments, as they are and to be shown, their JSON Schema (`parameters`) if it is known, and `url` if
    the person has to open one.

    The URL is for this person alone: it is in no log record and no stored value.
    """
    arguments = dict(pending.arguments)
    members = {**approval_members(pending.request), "arguments": arguments, **_shown_with(pending)}
    if pending.parameters is not None:
        members["parameters"] = dict(pending.parameters)
    return members if pending.url is None else members | {"url": pending.url.reveal()}


def _shown_with(pending: PendingApproval) -> dict[str, Any]:
    """The members that a person sees beside those of the request: the arguments, and what they may approve
    beyond this call. Everything but a narrower copy of `lasting` is refused as an answer.
    """
    offered = pending.lasting and asdict(pending.lasting) | bounds_display(pending.lasting)
    members = {"display": display_of(pending.arguments), "lasting": offered}
    question = question_in(pending.request.extensions)
    if question is not None:
        members["question"] = {name: question.get(name) for name in ("mode", "message", "host")}
    return members


def bounds_display(lasting: Lasting) -> dict[str, Any]:
    """The bounds as texts to show."""
    texts = {name: _values(bound) for name, bound in lasting.bounds.items()}
    return {"display": [{"name": name, "label": printable(name), "text": texts[name]} for name in texts]}


def approval_members(request: ApprovalRequest) -> dict[str, Any]:
    """The members of a request for its principal, as JSON. Times are RFC 3339, UTC."""
    return {
        **{name: _member(request, name) for name in _NAMED},
        "created_at": rfc3339(request.created_at),
        "expires_at": rfc3339(request.expires_at),
        "read": list(request.read),
    }


def _member(request: ApprovalRequest, name: str) -> str | None:
    value = request.declared.get(name) if name in CREDENTIAL_MEMBERS else getattr(request, name)
    return None if value is None else str(value)


def display_of(arguments: Mapping[str, Any]) -> list[dict[str, str]]:
    """The arguments as texts to show, in their order, with the member `name` that each has.

    A text of printable characters is itself; everything else is its JSON, with all digits of numbers, which
    readers of JSON may round, and other characters escaped.
    """
    return [
        {"name": name, "label": printable(name), "text": _shown(value)} for name, value in arguments.items()
    ]


def _values(form: Mapping[str, Any]) -> str:
    """The values that a bound covers, as text."""
    if "prefix" in form:
        return f"{_shown(form['prefix'])}…"
    if "min" in form:
        return f"{_shown(form['min'])} – {_shown(form['max'])}"
    if "one_of" in form:
        return ", ".join(map(_shown, form["one_of"]))
    return _shown(form["equal"])


def _shown(value: object) -> str:
    return value if isinstance(value, str) and printable(value) == value else printable_json(value)


def _seconds(rfc3339: str) -> float:
    return datetime.fromisoformat(rfc3339).timestamp()
