"""A raise of one limit on one day: the question to an approver, and the record beside it."""

import json
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from agent.errors.error_codes import AgentCode
from graph.approvals.inbox import KeptArguments, kept_arguments
from graph.approvals.record import ApprovalRequest, ApprovalState, ApprovalStatus, Approver, QuestionKind
from graph.call_arguments import arguments_digest
from graph.error_codes import invalid_approval
from graph.extensions import Extensions
from identity.errors import ErrorRow, LimitError
from identity.principal import Principal
from plugins.budgets.limits import Budget, Limit
from tools.approval_policy import Effect

_PERCENT: Final = 100


class RaiseKind(QuestionKind):
    """The kind of a question whether a limit is raised."""

    BUDGET_RAISE = "budget_raise"


@dataclass(frozen=True, slots=True)
class LimitRaise:
    """The record of a question of the kind `budget_raise`: `amount` more than the limit that `setting` says,
    on `day` (UTC), for those who are counted under `budget`, a digest.
    """

    day: str
    budget: str
    setting: str
    amount: Decimal

    def id(self) -> str:
        """The id of the question: a limit has one in a day, whichever process asks it, and for whomever."""
        return arguments_digest({"budget_raise": [self.day, self.budget, self.setting]})[:32]


class RaiseAskedError(LimitError):
    """The caller may use no more now. An approver is asked by the question of the id `question` whether they
    may.
    """

    def __init__(self, detail: str, question: str, **named: Any) -> None:  # noqa: ANN401 - as in `AgentError`
        self.question = question
        super().__init__(AgentCode.BUDGET_RAISE_ASKED, detail, **named)

    @property
    def row(self) -> ErrorRow:
        """See `AgentError`; the person reads which question it is."""
        row = super().row
        return replace(row, person=f"{row.person} (question {self.question})")


def raise_of(request: ApprovalRequest) -> LimitRaise:
    """The record of a question of the kind `budget_raise`. Raises `ApprovalError` for every other."""
    record = request.extensions.get(LimitRaise)
    if record is None:
        raise invalid_approval("the question raises no limit")
    return record


def raise_request(
    asker: Principal,
    budget: Budget,
    limit: Limit,
    *,
    day: str,
    percent: int,
    approvers: str,
    until: float,
    at: float,
) -> ApprovalRequest:
    """The question of `asker`, whose run has reached `limit`, whether it is raised by `percent` of it `until`
    the day ends. Tokens are rounded down, to at least one.
    """
    amount = limit.most * percent / _PERCENT
    if not limit.of_cost:
        amount = max(amount.to_integral_value(ROUND_FLOOR), Decimal(1))
    record = LimitRaise(day, budget.owner, limit.setting, amount)
    arguments = {
        "budget": budget.name,
        "day": day,
        "limit": limit.shown(limit.most),
        "raise_by": limit.shown(amount),
    }
    return ApprovalRequest(
        id=record.id(),
        kind=RaiseKind.BUDGET_RAISE,
        thread_id="",
        principal=asker,
        digest=arguments_digest(arguments),
        effect=Effect.UNKNOWN,
        approvers=approvers,
        created_at=at,
        expires_at=until,
        extensions=Extensions(record, KeptArguments(arguments)),
    )


def words_of(request: ApprovalRequest) -> str:
    """What is asked, in one line: `MAX_TOKENS_FOR_USER_A_DAY + 500 tokens, user alice, 2026-11-25`."""
    shown = kept_arguments(request)
    record = raise_of(request)
    return f"{record.setting} + {shown['raise_by']}, {shown['budget']}, {record.day}"


def encoded(state: ApprovalState) -> bytes:
    """A question and what became of it, as JSON."""
    request = state.request
    record = raise_of(request)
    members: dict[str, Any] = {
        "asker": [request.principal.issuer, request.principal.subject],
        "approvers": request.approvers,
        "created_at": request.created_at,
        "expires_at": request.expires_at,
        "arguments": kept_arguments(request),
        "day": record.day,
        "budget": record.budget,
        "setting": record.setting,
        "amount": str(record.amount),
        "status": state.status,
        "approved_digest": state.approved_digest,
        "decided_at": state.decided_at,
        "device": state.device,
    }
    if (approver := state.approver) is not None:
        by = approver.principal
        members["approver"] = [
            by.issuer,
            by.subject,
            sorted(approver.groups),
            approver.token,
            approver.issued_at,
        ]
    return json.dumps(members).encode()


def decoded(question_id: str, body: bytes) -> ApprovalState:
    """The inverse of `encoded`."""
    members = json.loads(body)
    record = LimitRaise(members["day"], members["budget"], members["setting"], Decimal(members["amount"]))
    arguments = members["arguments"]
    request = ApprovalRequest(
        id=question_id,
        kind=RaiseKind.BUDGET_RAISE,
        thread_id="",
        principal=Principal(*members["asker"]),
        digest=arguments_digest(arguments),
        effect=Effect.UNKNOWN,
        approvers=members["approvers"],
        created_at=members["created_at"],
        expires_at=members["expires_at"],
        extensions=Extensions(record, KeptArguments(arguments)),
    )
    approver = None
    if "approver" in members:
        issuer, subject, groups, *token = members["approver"]
        approver = Approver(Principal(issuer, subject), frozenset(groups), *token)
    return ApprovalState(
        request,
        ApprovalStatus(members["status"]),
        members["approved_digest"],
        members["decided_at"],
        approver,
        members["device"],
    )
