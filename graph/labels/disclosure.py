"""What a call could disclose: the table of where it goes, what was read, and whose yes counts.

`docs/labels.md` has the table for people. Only the user of the call answers for what was read: no approver,
no grant, and no yes to a question that did not say it.
"""

from dataclasses import dataclass

from graph.labels.data_labels import DataLabels, is_confidential, labels_in, services_in, shown
from tools.approval_policy import ApprovalMode, Data, Effect, ToolPolicy, Trust, strictest
from tools.service_name import service_of


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What a call could carry to where it has not been, and what happens to the call therefore.

    `read` is what the conversation has read, for each tool its labels, as people see them; it is empty if the
    call carries nothing of it. `mode` is `ask` if the user of the call decides: no one else's yes counts.
    """

    read: tuple[str, ...] = ()
    mode: ApprovalMode = ApprovalMode.ALLOW


def disclosure_of(read: DataLabels, service: str, policy: ToolPolicy, *, to_others: bool) -> Disclosure:
    """What a call of `service` discloses if it says more than its user has written. `to_others`: another
    person sees the call before it is made.
    """
    if not is_confidential(read):
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
