"""The disclosure that a call could make: the table of where it goes, what was read, and whose yes counts.

`docs/labels.md` has the table for people. Only the user of the call answers for what was read: no approver,
no grant, and no yes to a question that did not say it.
"""

from dataclasses import dataclass

from graph.labels.data_labels import CLIENT, labels_in, services_in
from tools.approval_policy import ApprovalMode, Data, DataLabels, Effect, ToolPolicy, Trust, strictest
from tools.service_name import service_of


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Data that a call could carry to where it has not been, and what happens to the call therefore.

    `read` is what the conversation has read, for each tool its labels, as people see them; it is empty if the
    call carries nothing of it and is not asked about. `mode` is `ask` if the user of the call decides: no one
    else's yes counts.
    """

    read: tuple[str, ...] = ()
    mode: ApprovalMode = ApprovalMode.ALLOW


@dataclass(frozen=True, slots=True)
class Guards:
    """The treatment of a call after what was read: `of_data` if it says more than its user has written,
    `of_values` if it has a text or number that they have not written. `holds_data`: data was read that may
    not go everywhere.
    """

    of_data: ApprovalMode = ApprovalMode.ALLOW
    of_values: ApprovalMode = ApprovalMode.ALLOW
    holds_data: bool = False

    @property
    def asks(self) -> bool:
        """Whether there are calls that are not simply made."""
        return strictest(self.of_data, self.of_values) is not ApprovalMode.ALLOW


def guards_of(
    read: DataLabels, service: str, policy: ToolPolicy, *, to_others: bool, keeps_labels: bool = True
) -> Guards:
    """The table: calls of a tool of `service` after what has the labels `read` was read. `to_others`: another
    person sees the call before it is made. `keeps_labels`: all tools of the service are labelled, so that
    what is written there comes back with a label.
    """
    after = policy.after
    if not read:
        return Guards(of_values=after.nothing)
    labels = labels_in(read)
    reaches_others = policy.effect in (Effect.EXTERNAL, Effect.UNKNOWN)
    is_outside = reaches_others or policy.trust is Trust.UNTRUSTED
    is_instructed = Trust.UNTRUSTED in labels
    of_data = [ApprovalMode.ALLOW]
    if Data.CONFIDENTIAL in labels:
        sources = services_in(read, Data.CONFIDENTIAL)
        comes_back = keeps_labels and CLIENT not in read and sources == {service_of(service)}
        is_written_elsewhere = policy.effect is Effect.WRITE and not comes_back
        if is_outside or is_written_elsewhere:
            of_data.append(_at_least_asking(after.confidential, is_instructed))
        if to_others:
            of_data.append(ApprovalMode.ASK)
    if Data.INTERNAL in labels and is_outside:
        of_data.append(_at_least_asking(after.internal, is_instructed))
    of_values = [after.nothing]
    if is_instructed:
        default = ApprovalMode.ASK if reaches_others else ApprovalMode.ALLOW
        of_values.append(default if after.untrusted is None else after.untrusted)
    holds_data = not labels.isdisjoint((Data.CONFIDENTIAL, Data.INTERNAL))
    return Guards(strictest(*of_data), strictest(*of_values), holds_data)


def _at_least_asking(mode: ApprovalMode, is_instructed: bool) -> ApprovalMode:
    """`mode`; with untrusted data besides, which may instruct the model, it asks at least."""
    return strictest(mode, ApprovalMode.ASK) if is_instructed else mode
