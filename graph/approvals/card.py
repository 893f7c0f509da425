r"""A question to a person as lines of text: the same on every surface that shows text.

    The agent asks to call "Pay a bill (pay)" of the bank service (write).
    · note: "For lunch\nThank you"
    · Amount (amount): 5000
    It would use the rights of user_alice01 (Human).
    It would carry scope pay, audience https://bank.example.
    It could carry elsewhere what this conversation has read: payroll.payslip: confidential.

An argument has one line, so that its value imitates no other. Long ones come first, and what a decision needs
stands last, where a person sees it without scrolling back. The operator's titles stand beside the names, if
the request has them (`graph.approvals.titles`).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from graph.approvals.record import PERSON, ApprovalKind, ApprovalRequest, PendingApproval, QuestionKind
from graph.approvals.titles import titled, titles_in
from graph.server_question import question_in
from identity.credentials.rights import SENTENCES, rights_of
from identity.printable import MOST_IN_A_LINE, printable, printable_line, shortened

_HEADLINES: Final[Mapping[QuestionKind, str]] = {
    ApprovalKind.TOOL_CALL: '{asker} asks to call "{tool}" of the {service} service ({effect}).',
    ApprovalKind.CONSENT_REQUIRED: "The agent needs your consent to use your account of {service}.",
    ApprovalKind.SIGN_IN_REQUIRED: "Your sign-in has expired. Sign in again to continue.",
    ApprovalKind.ELICITATION: "The {service} service asks: {message}",
}
_NO_SECRETS: Final = (
    "The server of the {service} service asks this, not the agent. "
    "No question here asks for a password, a code or a key: enter none."
)
_SHORT: Final = 100
"""Characters of a value that is shown after the long ones."""
_MOST_OF_ALL: Final = 20_000
"""Characters of all values; of more, `_SHORT` of each are shown."""
_MOST_ARGUMENTS: Final = 100
_LONG: Final = 1_000
"""Characters of a card whose first line is repeated at its end."""
_CUT: Final = "Not all of it is shown here. The page shows all."
_CARRIED: Final[Sequence[Literal["scope", "audience", "credential"]]] = ("scope", "audience", "credential")
_NAME: Final = re.compile(r"[\w.-]{1,64}")


def card_text(pending: PendingApproval, asker: str | None = None) -> str:
    """The lines of the card. `asker`: the user of the call, for another person who decides."""
    request = pending.request
    first = _headline(request, asker)
    rows, is_whole = _rows(pending)
    lines = [first, *rows, *_essential(request, asker)]
    if not is_whole:
        lines.append(_CUT)
    if request.kind is ApprovalKind.TOOL_CALL and len("\n".join(lines)) > _LONG:
        lines.append(first)
    return "\n".join(lines)


def summary(request: ApprovalRequest) -> str:
    """The question on one line, without arguments, what was read, and what the call would carry."""
    return " ".join([_headline(request, None), *_rights(request), *_others(request, None)])


def _headline(request: ApprovalRequest, asker: str | None) -> str:
    titles = titles_in(request.extensions)
    return _HEADLINES[request.kind].format(
        asker=printable_line(asker or "The agent"),
        tool=titled(printable(request.tool), titles.tool.title),
        service=service_text(request),
        effect=request.effect,
        message=printable_line((question_in(request.extensions) or {}).get("message", "")),
    )


def service_text(request: ApprovalRequest) -> str:
    """The service of a request as a text names it: with its title."""
    return titled(printable(request.service), titles_in(request.extensions).service)


def _rows(pending: PendingApproval) -> tuple[list[str], bool]:
    """A line for each argument, the long ones first; and whether they are shown whole."""
    if pending.request.kind is not ApprovalKind.TOOL_CALL:
        return [], True
    whole = {name: printable_line(value, None) for name, value in pending.arguments.items()}
    most = MOST_IN_A_LINE if sum(map(len, whole.values())) <= _MOST_OF_ALL else _SHORT
    texts = {name: shortened(text, most) for name, text in list(whole.items())[:_MOST_ARGUMENTS]}
    order = sorted(texts, key=lambda name: len(whole[name]) <= _SHORT)
    return [f"· {_label(name, pending)}: {texts[name]}" for name in order], texts == whole


def _essential(request: ApprovalRequest, asker: str | None) -> list[str]:
    """The lines that a decision needs beside the arguments."""
    lines = [*_rights(request), *_carried(request)]
    if request.read:
        read = "; ".join(map(printable_line, request.read))
        lines.append(f"It could carry elsewhere what this conversation has read: {read}.")
    if request.kind is ApprovalKind.ELICITATION:
        lines.append(_NO_SECRETS.format(service=service_text(request)))
    return [*lines, *_others(request, asker)]


def _rights(request: ApprovalRequest) -> list[str]:
    """The line that says whose rights the call would use."""
    if request.kind is not ApprovalKind.TOOL_CALL:
        return []
    sentence = SENTENCES[rights_of(request.access_identity, request.declared.get("credential_kind"))]
    return [sentence.format(user=printable_line(request.principal.subject))]


def _carried(request: ApprovalRequest) -> list[str]:
    """The line that says what the call would carry."""
    if request.kind is not ApprovalKind.TOOL_CALL:
        return []
    carried = [
        f"{name} {printable_line(request.declared[name])}" for name in _CARRIED if name in request.declared
    ]
    return [f"It would carry {', '.join(carried)}."] if carried else []


def _others(request: ApprovalRequest, asker: str | None) -> list[str]:
    """Who decides, to the user whose decision it is not."""
    if request.approvers is None or asker is not None:
        return []
    who = printable(request.approvers.removeprefix(PERSON))
    return [f'Another person decides: "{who}". Then approve to continue.']


def _label(name: str, pending: PendingApproval) -> str:
    """The name of an argument with its title; without one that is the name of another argument of the call,
    for which a person could take it.
    """
    words = titles_in(pending.request.extensions).tool.arguments.get(name)
    others = {other.casefold() for other in pending.arguments if other != name}
    if words is not None and any(title.casefold() in others for title in words.both().values()):
        words = None
    return titled(_name(name), words)


def _name(name: str) -> str:
    is_plain = _NAME.fullmatch(name) and printable(name) == name
    return name if is_plain else shortened(json.dumps(name), _SHORT)
