"""A text of the answer that says what a run waits for, for clients that show no approvals."""

from agent.http.page_address import where_to_decide
from graph.approvals.card import card_text, service_text
from graph.approvals.record import ApprovalKind, PendingApproval


def waiting_text(pending: PendingApproval, page: str | None) -> str:
    """The question to the user, and where they answer it: on the page at the address `page`, if there is one.

    The address of a consent is not in it: a client may send the text back, and then a model reads it.
    """
    return f"{_question(pending)}\n\n{where_to_decide(page, pending.request.id)}"


def _question(pending: PendingApproval) -> str:
    request = pending.request
    match request.kind:
        case ApprovalKind.CONSENT_REQUIRED:
            return f"Your consent is needed to use {service_text(request)} for you."
        case ApprovalKind.SIGN_IN_REQUIRED:
            return "Your sign-in has expired. Sign in again to continue."
        case ApprovalKind.ELICITATION:
            return f"The {service_text(request)} service asks you something."
    return f"Waiting for your approval.\n\n```text\n{card_text(pending)}\n```"
