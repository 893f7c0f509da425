"""A service whose credential requires the user's consent pauses the run, and is tried again afterwards.

An answer grants nothing: IDaaS decides whether the user has consented, when the credential is obtained again.
"""

from collections.abc import Container, MutableMapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from graph.approvals.answer import Answer, parse_answer
from graph.approvals.consent_urls import ConsentUrls, url_reference
from graph.approvals.gate import ApprovalGate
from graph.approvals.pending_call import pending_call
from graph.approvals.prompts import ApprovalPrompts
from graph.approvals.record import ApprovalKind, ApprovalRequest, ApprovalStatus, PendingApproval
from graph.callers import Visit
from graph.credentials.run_credentials import UnavailableCredential
from graph.tool_calls.requested_calls import accepted_calls
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.requirement import Credential
from identity.error_codes import IdentityCode
from identity.errors import AgentError, ConsentRequiredError, CredentialError

Outcome: TypeAlias = Credential | UnavailableCredential | AgentError
"""The result of obtaining the credential of a service."""

_NOT_GIVEN: Final = "the user has not given the consent"


@dataclass(frozen=True, slots=True)
class Consents:
    """Asks for consents in runs that are kept. For the services `by_resume_values`, LangGraph's resume values
    are the answers, and the interrupt contains a reference to the URL; for the others, the context has the
    answers.
    """

    gate: ApprovalGate
    prompts: ApprovalPrompts
    urls: ConsentUrls
    by_resume_values: Container[str] = ()

    async def settle(self, outcomes: MutableMapping[str, Outcome], visit: Visit) -> bool:
        """Settles the `outcomes` of called services; pauses the run at the first that requires consent.

        If the user declines or the time is over, the outcome is an error without the URL. True if a resume
        value of LangGraph was read: then the node is visited again, so that each task of LangGraph has one
        interrupt, and no value is read twice. Outcomes that still require consent are removed until then.
        """
        for name, outcome in list(outcomes.items()):
            request = self._request(name, visit)
            if request is None:
                continue
            answer = self.prompts.given(visit.runtime, request, visit.caller)
            settled, value_was_read = await self._settled(request, outcome, answer, visit.caller)
            outcomes[name] = settled
            if value_was_read:
                for service, left in list(outcomes.items()):
                    if isinstance(left, ConsentRequiredError):
                        del outcomes[service]
                return True
        return False

    async def _settled(
        self, request: ApprovalRequest, outcome: Outcome, given: object, caller: VerifiedAccessToken
    ) -> tuple[Outcome, bool]:
        """The settled `outcome`, and whether a resume value was read. `given` is the context's answer."""
        service = request.service
        waits = isinstance(outcome, ConsentRequiredError)
        is_resumed = service in self.by_resume_values
        if not waits and given is None and not is_resumed:
            return outcome, False
        state = await self.gate.known(request.id, request.principal)
        if state is not None and state.status is not ApprovalStatus.OPEN:
            if waits:
                return _not_given(service), False
            return outcome, False
        if state is None and not waits:
            return outcome, False
        answer = None if state is None else parse_answer(given, request.id)
        value_was_read = False
        if not _declines(answer) and (waits or given is None):
            open_request = request if state is None else state.request
            if isinstance(outcome, ConsentRequiredError):
                self.urls.keep(open_request, outcome.authorization_url)
            pending = PendingApproval(open_request, {}, asked=state is not None)
            url = url_reference(open_request.id) if is_resumed else None
            value = await self.prompts.pause(pending, caller, url)
            value_was_read = True
            was_asked = state is not None and is_resumed
            answer = parse_answer(value, request.id) if was_asked else None
        if _declines(answer):
            await self.prompts.decide(request, None, caller)
            return _not_given(service), value_was_read
        if not waits:
            await self.prompts.decide(request, request.digest, caller)
        return outcome, value_was_read

    def _request(self, service: str, visit: Visit) -> ApprovalRequest | None:
        """The question about a called `service`; `None` if it is not called, or the run is not kept."""
        call = next((call for call, name in accepted_calls(visit.state) if name == service), None)
        pending = call and pending_call(visit, call, service)
        if pending is None or pending.conversation is None:
            return None
        return self.gate.requests.for_call(pending, ApprovalKind.CONSENT_REQUIRED)


def _declines(answer: Answer | None) -> bool:
    return answer is not None and not answer.approved


def _not_given(service: str) -> CredentialError:
    return CredentialError(IdentityCode.CONSENT_REQUIRED, _NOT_GIVEN, service=service)
