"""A call that waits for a decision, and the requests that a person may be asked about it.

A call is known by its conversation, its run, the model's response, its id, its service and tool, the
principal for whom it is made, and the rights that it uses: access identity, effect, and the declared
credential, such as audience and permission. From these follows the id of its approval, so that no state of a
run can name the approval of another call, and a process that would use other rights has no approval; the
digest of its arguments is compared with the approved one.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AnyMessage, ToolCall

from graph.approvals.record import ApprovalKind, ApprovalRequest
from graph.call_arguments import arguments_digest
from graph.callers import Visit
from graph.context import Conversation, conversation_of
from graph.credentials.service_credentials import ServiceRequirement, access_identity_of
from graph.extensions import NO_EXTENSIONS, Extensions
from graph.tool_calls.requested_calls import latest_response
from identity.audit.event import Ruled
from identity.principal import AccessIdentity, Principal
from tools.approval_policy import DataLabels, Effect
from tools.service import Service, declared_credential_of
from tools.service_name import service_of


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call in a response of the model, for one principal. `conversation` is `None` if it is not kept."""

    call: ToolCall
    service: str
    """The node that makes the call."""
    response_id: str | None
    """The id of the response, which tells its calls from those of others."""
    principal: Principal
    conversation: Conversation | None
    messages: Sequence[AnyMessage] = ()
    """The messages of the conversation that the run has."""
    read: DataLabels = field(default_factory=dict)
    """The labels of what the conversation had read when the model made the call."""

    @property
    def name(self) -> str:
        """The tool, as rules, labels and people name it: `service.tool`."""
        return f"{service_of(self.service)}.{self.call['name']}"


def pending_call(visit: Visit, call: ToolCall, service: str) -> PendingCall:
    """`call`, one of the pending calls of the visit's state."""
    state, caller, runtime = visit
    response = latest_response(state["messages"])
    return PendingCall(
        call,
        service,
        None if response is None else response.id,
        caller.principal,
        conversation_of(runtime),
        state["messages"],
        state.get("read") or {},
    )


@dataclass(frozen=True, slots=True)
class ApprovalRequests:
    """Makes the requests of a graph, each as it would be asked now, for `seconds`."""

    services: Mapping[str, Service]
    requirements: Mapping[str, ServiceRequirement]
    seconds: float
    clock: Callable[[], float]

    def for_call(
        self,
        pending: PendingCall,
        kind: ApprovalKind = ApprovalKind.TOOL_CALL,
        *,
        approvers: str | None = None,
        ruled: Ruled | None = None,
        read: tuple[str, ...] = (),
        digest: str | None = None,
        extensions: Extensions = NO_EXTENSIONS,
    ) -> ApprovalRequest:
        """The request about a call. `read` is what the conversation has read that the call could carry
        elsewhere, `digest` that of what is asked, if it is not the arguments alone: then it is part of the
        id. Raises `ValueError` for a call whose conversation is not kept.
        """
        call = pending.call
        service = self.services[pending.service]
        if pending.conversation is None:
            raise ValueError("a call of a conversation that is not kept waits for no decision")
        access_identity = self.access_identity(pending.service)
        policy = service.policy(call["name"])
        declared = declared_credential_of(service)
        names = [pending.response_id or "", pending.service, call["name"], call["id"] or ""]
        if approvers is not None:
            names.append(approvers)
        if digest is not None:
            names.append(digest)
        rights = access_identity, policy.effect, declared
        by_policy = ruled or Ruled()
        return ApprovalRequest(
            id=_id(kind, pending.principal, pending.conversation, *names, *rights),
            kind=kind,
            thread_id=pending.conversation.thread_id,
            principal=pending.principal,
            service=pending.service,
            tool=call["name"],
            call_id=call["id"] or "",
            digest=digest or arguments_digest(call["args"]),
            effect=policy.effect,
            access_identity=access_identity,
            read=read,
            declared=declared,
            approvers=approvers,
            ruled=Ruled(policy=by_policy.policy, rules=by_policy.rules),
            extensions=extensions,
            **self._times(),
        )

    def access_identity(self, service: str) -> AccessIdentity | None:
        """The identity whose rights calls of a service use."""
        return access_identity_of(self.requirements, service)

    def for_sign_in(self, principal: Principal, conversation: Conversation) -> ApprovalRequest:
        """The request to sign in again, in the state in which a run is."""
        kind = ApprovalKind.SIGN_IN_REQUIRED
        return ApprovalRequest(
            id=_id(kind, principal, conversation, conversation.checkpoint),
            kind=kind,
            thread_id=conversation.thread_id,
            principal=principal,
            digest=arguments_digest({}),
            effect=Effect.READ,
            **self._times(),
        )

    def _times(self) -> dict[str, Any]:
        now = self.clock()
        return {"created_at": now, "expires_at": now + self.seconds}


def _id(kind: ApprovalKind, principal: Principal, conversation: Conversation, *about: object) -> str:
    known_by = [
        kind,
        conversation.thread_id,
        conversation.run_id,
        principal.issuer,
        principal.subject,
        *about,
    ]
    return hashlib.sha256(json.dumps(known_by, sort_keys=True).encode()).hexdigest()[:32]
