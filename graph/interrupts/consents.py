"""A service whose credential requires the user's consent pauses the run, and is tried again afterwards.

An answer grants nothing: IDaaS decides whether the user has consented, when the credential is obtained again.
"""

from langgraph.runtime import Runtime

from graph.approvals.answer import parse_answer
from graph.approvals.consent_urls import ConsentUrls
from graph.approvals.gate import ApprovalGate
from graph.approvals.record import ApprovalKind, ApprovalStatus, PendingApproval
from graph.context import AgentContext
from graph.credentials.run_credentials import UnavailableCredential
from graph.interrupts.pending_call import pending_call
from graph.interrupts.questions import Questions, given_answer
from graph.state import AgentState
from graph.tool_calls.requested_calls import accepted_calls
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.credential import Credential
from identity.errors import AgentError, ConsentRequiredError, CredentialError


class Consents:
    """Asks for consents in runs that are kept."""

    def __init__(self, gate: ApprovalGate, questions: Questions, urls: ConsentUrls) -> None:
        self._gate = gate
        self._questions = questions
        self._urls = urls

    async def settled(
        self,
        service: str,
        outcome: Credential | UnavailableCredential | AgentError,
        state: AgentState,
        caller: VerifiedAccessToken,
        runtime: Runtime[AgentContext],
    ) -> Credential | UnavailableCredential | AgentError:
        """`outcome` of obtaining the credential of a called `service`; pauses the run if it requires consent.

        If the user declines or the time is over, it is an error without the URL.
        """
        call = next((call for call, name in accepted_calls(state) if name == service), None)
        pending = call and pending_call(state, call, service, caller, runtime)
        if pending is None or pending.conversation is None:
            return outcome
        request = self._gate.requests.of_call(pending, ApprovalKind.CONSENT_REQUIRED)
        given = given_answer(runtime, request)
        if isinstance(outcome, Credential) and given is not None:
            await self._questions.decide(request, request.digest, caller)
        if not isinstance(outcome, ConsentRequiredError):
            return outcome
        known = await self._gate.known(request)
        if known is None or known.status is ApprovalStatus.OPEN:
            answer = parse_answer(given, request.id) if known else None
            if answer is None or answer.approved:
                request = known.request if known else request
                self._urls.keep(request, outcome.authorization_url)
                while True:  # a resume value of LangGraph is no consent
                    await self._questions.pause(PendingApproval(request, {}), caller, asked=known is not None)
            await self._questions.decide(request, None, caller)
        return CredentialError(outcome.code, "the user has not given the consent", service=service)
